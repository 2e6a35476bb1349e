; The @dot of passes.ll in one instruction of x86 with AVX2: adds the sums of neighbouring products.

declare <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16>, <16 x i16>)

define internal <8 x i32> @dot(<8 x i32> %sums, <16 x i16> %a, <16 x i16> %b) alwaysinline {
  %pairs = call <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16> %a, <16 x i16> %b)
  %added = add <8 x i32> %sums, %pairs
  ret <8 x i32> %added
}
