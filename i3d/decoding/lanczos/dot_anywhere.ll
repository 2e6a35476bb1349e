; The @dot of passes.ll on any processor: adds the sums of neighbouring products.

define internal <8 x i32> @dot(<8 x i32> %sums, <16 x i16> %a, <16 x i16> %b) alwaysinline {
  %wide.a = sext <16 x i16> %a to <16 x i32>
  %wide.b = sext <16 x i16> %b to <16 x i32>
  %products = mul <16 x i32> %wide.a, %wide.b
  %even = shufflevector <16 x i32> %products, <16 x i32> poison, <8 x i32>
    <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14>
  %odd = shufflevector <16 x i32> %products, <16 x i32> poison, <8 x i32>
    <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15>
  %pairs = add <8 x i32> %even, %odd
  %added = add <8 x i32> %sums, %pairs
  ret <8 x i32> %added
}
