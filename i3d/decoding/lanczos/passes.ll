; The two passes of compiled.py in LLVM's assembly language. Pictures are rows of RGB bytes, coefficients pairs of int16
; limbs.
;
; A sample of the result is  clip((sum of coefficient * sample + 2^21) >> 22, 0, 255). A coefficient is split into limbs,
; high * 2^11 + low, because processors multiply int16 and add pairs of products in one instruction: @dot, from
; dot_avx2.ll or dot_anywhere.ll, which compiled.py puts in front of this text. The sums of high and of low products are
; joined at the end.
;
; compiled.py repeats each line that contains {n} four times, for n from 0 to 3.

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @llvm.umin.i64(i64, i64)
declare <8 x i32> @llvm.smax.v8i32(<8 x i32>, <8 x i32>)
declare <8 x i32> @llvm.smin.v8i32(<8 x i32>, <8 x i32>)

; Join the sums of high and low products.
define internal <8 x i32> @joined(<8 x i32> %high, <8 x i32> %low) alwaysinline {
  %shifted = shl <8 x i32> %high, splat (i32 11)
  %sum = add <8 x i32> %shifted, %low
  ret <8 x i32> %sum
}

; Convert sums to bytes.
define internal <8 x i8> @rounded(<8 x i32> %sums) alwaysinline {
  %half = add <8 x i32> %sums, splat (i32 2097152)
  %whole = ashr <8 x i32> %half, splat (i32 22)
  %above = call <8 x i32> @llvm.smax.v8i32(<8 x i32> %whole, <8 x i32> zeroinitializer)
  %clipped = call <8 x i32> @llvm.smin.v8i32(<8 x i32> %above, <8 x i32> splat (i32 255))
  %bytes = trunc <8 x i32> %clipped to <8 x i8>
  ret <8 x i8> %bytes
}

; Load four pixels at %p as int16: r0 r1 r2 r3, g0 g1 g2 g3, b0 b1 b2 b3, 0 0 0 0. Reads 16 bytes.
define internal <16 x i16> @four_pixels(ptr %p) alwaysinline {
  %bytes = load <16 x i8>, ptr %p, align 1
  %apart = shufflevector <16 x i8> %bytes, <16 x i8> zeroinitializer, <32 x i32> <
    i32 0, i32 16, i32 3, i32 16, i32 6, i32 16, i32 9, i32 16,
    i32 1, i32 16, i32 4, i32 16, i32 7, i32 16, i32 10, i32 16,
    i32 2, i32 16, i32 5, i32 16, i32 8, i32 16, i32 11, i32 16,
    i32 16, i32 16, i32 16, i32 16, i32 16, i32 16, i32 16, i32 16>
  %pixels = bitcast <32 x i8> %apart to <16 x i16>
  ret <16 x i16> %pixels
}

; Load four coefficients at %p and repeat them four times.
define internal <16 x i16> @four_limbs(ptr %p) alwaysinline {
  %limbs = load <4 x i16>, ptr %p, align 2
  %repeated = shufflevector <4 x i16> %limbs, <4 x i16> poison, <16 x i32> <
    i32 0, i32 1, i32 2, i32 3, i32 0, i32 1, i32 2, i32 3,
    i32 0, i32 1, i32 2, i32 3, i32 0, i32 1, i32 2, i32 3>
  ret <16 x i16> %repeated
}

; Add pairs and write two pixels: %a and %b are sums r r g g b b 0 0 of one row each. Writes one byte too many.
define internal void @write_pixels(<8 x i32> %a, <8 x i32> %b, ptr %to_a, ptr %to_b) alwaysinline {
  %even = shufflevector <8 x i32> %a, <8 x i32> %b, <8 x i32>
    <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14>
  %odd = shufflevector <8 x i32> %a, <8 x i32> %b, <8 x i32>
    <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15>
  %sums = add <8 x i32> %even, %odd
  %bytes = call <8 x i8> @rounded(<8 x i32> %sums)
  %pixels = bitcast <8 x i8> %bytes to <2 x i32>
  %pixel_a = extractelement <2 x i32> %pixels, i32 0
  %pixel_b = extractelement <2 x i32> %pixels, i32 1
  store i32 %pixel_a, ptr %to_a, align 1
  store i32 %pixel_b, ptr %to_b, align 1
  ret void
}

; Horizontal pass: %height rows of %width pixels at %source, %stride bytes apart, to rows of 340 pixels at %result, 1024
; bytes apart. Four rows at a time are copied to %scratch, four rows of %scratch_row bytes, because reading goes beyond
; their ends. Pixel x of the result needs 4 * %groups pixels from pixel %starts[x] on; their limbs are at
; %limbs[x][group][0 high, 1 low][0..3]. Writes whole groups of four rows.
define void @horizontal(ptr noalias %source, i64 %stride, i64 %width, i64 %height, ptr noalias %scratch,
                        i64 %scratch_row, ptr noalias %starts, ptr noalias %limbs, i64 %groups, ptr noalias %result) {
entry:
  %bytes = mul i64 %width, 3
  %last = sub i64 %height, 1
  %offset{n} = mul i64 %scratch_row, {n}
  %row{n} = getelementptr i8, ptr %scratch, i64 %offset{n}
  br label %four_rows

four_rows:
  %y = phi i64 [0, %entry], [%y.next, %row_done]
  %to = phi ptr [%result, %entry], [%to.next, %row_done]
  %y{n} = add i64 %y, {n}
  call void @copy_row(ptr %source, i64 %stride, i64 %y{n}, i64 %last, ptr %row{n}, i64 %bytes)
  br label %pixel

pixel:
  %x = phi i64 [0, %four_rows], [%x.next, %pixel_done]
  %to0 = phi ptr [%to, %four_rows], [%to0.next, %pixel_done]
  %k.first = phi ptr [%limbs, %four_rows], [%k.next, %pixel_done]
  %start.at = getelementptr i32, ptr %starts, i64 %x
  %start.32 = load i32, ptr %start.at, align 4
  %start.pixel = zext i32 %start.32 to i64
  %start = mul i64 %start.pixel, 3
  br label %group

group:
  %g = phi i64 [0, %pixel], [%g.next, %group]
  %k = phi ptr [%k.first, %pixel], [%k.next, %group]
  %at = phi i64 [%start, %pixel], [%at.next, %group]
  %high{n} = phi <8 x i32> [zeroinitializer, %pixel], [%high{n}.next, %group]
  %low{n} = phi <8 x i32> [zeroinitializer, %pixel], [%low{n}.next, %group]
  %k.low = getelementptr i8, ptr %k, i64 8
  %kh = call <16 x i16> @four_limbs(ptr %k)
  %kl = call <16 x i16> @four_limbs(ptr %k.low)
  %at{n} = getelementptr i8, ptr %row{n}, i64 %at
  %p{n} = call <16 x i16> @four_pixels(ptr %at{n})
  %high{n}.next = call <8 x i32> @dot(<8 x i32> %high{n}, <16 x i16> %p{n}, <16 x i16> %kh)
  %low{n}.next = call <8 x i32> @dot(<8 x i32> %low{n}, <16 x i16> %p{n}, <16 x i16> %kl)
  %at.next = add i64 %at, 12
  %k.next = getelementptr i8, ptr %k, i64 16
  %g.next = add i64 %g, 1
  %more.groups = icmp ult i64 %g.next, %groups
  br i1 %more.groups, label %group, label %pixel_done

pixel_done:
  %s{n} = call <8 x i32> @joined(<8 x i32> %high{n}.next, <8 x i32> %low{n}.next)
  %to1 = getelementptr i8, ptr %to0, i64 1024
  %to2 = getelementptr i8, ptr %to0, i64 2048
  %to3 = getelementptr i8, ptr %to0, i64 3072
  call void @write_pixels(<8 x i32> %s0, <8 x i32> %s1, ptr %to0, ptr %to1)
  call void @write_pixels(<8 x i32> %s2, <8 x i32> %s3, ptr %to2, ptr %to3)
  %to0.next = getelementptr i8, ptr %to0, i64 3
  %x.next = add i64 %x, 1
  %more.pixels = icmp ult i64 %x.next, 340
  br i1 %more.pixels, label %pixel, label %row_done

row_done:
  %to.next = getelementptr i8, ptr %to, i64 4096
  %y.next = add i64 %y, 4
  %more.rows = icmp ult i64 %y.next, %height
  br i1 %more.rows, label %four_rows, label %done

done:
  ret void
}

; Copy row %y, or the last row if there is no such row.
define internal void @copy_row(ptr %source, i64 %stride, i64 %y, i64 %last, ptr %to, i64 %bytes) alwaysinline {
  %row = call i64 @llvm.umin.i64(i64 %y, i64 %last)
  %offset = mul i64 %row, %stride
  %from = getelementptr i8, ptr %source, i64 %offset
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
  ret void
}

; The address of byte %x in row %y, or in the last row if there is no such row. Rows have 1020 bytes.
define internal ptr @row(ptr %source, i64 %stride, i64 %y, i64 %last, i64 %x) alwaysinline {
  %row = call i64 @llvm.umin.i64(i64 %y, i64 %last)
  %offset = mul i64 %row, %stride
  %start = getelementptr i8, ptr %source, i64 %offset
  %at = getelementptr i8, ptr %start, i64 %x
  ret ptr %at
}

; Load two coefficients at %p and repeat them eight times.
define internal <16 x i16> @two_limbs(ptr %p) alwaysinline {
  %limbs = load <2 x i16>, ptr %p, align 2
  %repeated = shufflevector <2 x i16> %limbs, <2 x i16> poison, <16 x i32> <
    i32 0, i32 1, i32 0, i32 1, i32 0, i32 1, i32 0, i32 1,
    i32 0, i32 1, i32 0, i32 1, i32 0, i32 1, i32 0, i32 1>
  ret <16 x i16> %repeated
}

; Vertical pass: %height rows of 340 pixels at %source, %stride bytes apart, to 256 rows at %result, back to back. Row y
; of the result needs 2 * %pairs rows from row %starts[y] on; their limbs are at %limbs[y][pair][0 high, 1 low][0..1].
define void @vertical(ptr noalias %source, i64 %stride, i64 %height, ptr noalias %starts, ptr noalias %limbs,
                      i64 %pairs, ptr noalias %result) {
entry:
  %last = sub i64 %height, 1
  br label %row

row:
  %y = phi i64 [0, %entry], [%y.next, %row_done]
  %k.first = phi ptr [%limbs, %entry], [%k.next, %row_done]
  %to = phi ptr [%result, %entry], [%to.next, %row_done]
  %start.at = getelementptr i32, ptr %starts, i64 %y
  %start.32 = load i32, ptr %start.at, align 4
  %start = zext i32 %start.32 to i64
  br label %chunk

chunk:                                                   ; 32 samples; the last chunk overlaps the one before
  %x.wanted = phi i64 [0, %row], [%x.next, %chunk_done]
  %x = call i64 @llvm.umin.i64(i64 %x.wanted, i64 988)
  br label %pair

pair:
  %i = phi i64 [0, %chunk], [%i.next, %pair]
  %k = phi ptr [%k.first, %chunk], [%k.next, %pair]
  %from.y = phi i64 [%start, %chunk], [%from.y.next, %pair]
  %high{n} = phi <8 x i32> [zeroinitializer, %chunk], [%high{n}.next, %pair]
  %low{n} = phi <8 x i32> [zeroinitializer, %chunk], [%low{n}.next, %pair]
  %k.low = getelementptr i8, ptr %k, i64 4
  %kh = call <16 x i16> @two_limbs(ptr %k)
  %kl = call <16 x i16> @two_limbs(ptr %k.low)
  %second.y = add i64 %from.y, 1
  %a.at = call ptr @row(ptr %source, i64 %stride, i64 %from.y, i64 %last, i64 %x)
  %b.at = call ptr @row(ptr %source, i64 %stride, i64 %second.y, i64 %last, i64 %x)
  %a = load <32 x i8>, ptr %a.at, align 1
  %b = load <32 x i8>, ptr %b.at, align 1
  %ab0 = shufflevector <32 x i8> %a, <32 x i8> %b, <16 x i32> <
    i32 0, i32 32, i32 1, i32 33, i32 2, i32 34, i32 3, i32 35,
    i32 4, i32 36, i32 5, i32 37, i32 6, i32 38, i32 7, i32 39>
  %ab1 = shufflevector <32 x i8> %a, <32 x i8> %b, <16 x i32> <
    i32 8, i32 40, i32 9, i32 41, i32 10, i32 42, i32 11, i32 43,
    i32 12, i32 44, i32 13, i32 45, i32 14, i32 46, i32 15, i32 47>
  %ab2 = shufflevector <32 x i8> %a, <32 x i8> %b, <16 x i32> <
    i32 16, i32 48, i32 17, i32 49, i32 18, i32 50, i32 19, i32 51,
    i32 20, i32 52, i32 21, i32 53, i32 22, i32 54, i32 23, i32 55>
  %ab3 = shufflevector <32 x i8> %a, <32 x i8> %b, <16 x i32> <
    i32 24, i32 56, i32 25, i32 57, i32 26, i32 58, i32 27, i32 59,
    i32 28, i32 60, i32 29, i32 61, i32 30, i32 62, i32 31, i32 63>
  %p{n} = zext <16 x i8> %ab{n} to <16 x i16>
  %high{n}.next = call <8 x i32> @dot(<8 x i32> %high{n}, <16 x i16> %p{n}, <16 x i16> %kh)
  %low{n}.next = call <8 x i32> @dot(<8 x i32> %low{n}, <16 x i16> %p{n}, <16 x i16> %kl)
  %from.y.next = add i64 %from.y, 2
  %k.next = getelementptr i8, ptr %k, i64 8
  %i.next = add i64 %i, 1
  %more.pairs = icmp ult i64 %i.next, %pairs
  br i1 %more.pairs, label %pair, label %chunk_done

chunk_done:
  call void @write_samples(<8 x i32> %high0.next, <8 x i32> %low0.next, ptr %to, i64 %x, i64 0)
  call void @write_samples(<8 x i32> %high1.next, <8 x i32> %low1.next, ptr %to, i64 %x, i64 8)
  call void @write_samples(<8 x i32> %high2.next, <8 x i32> %low2.next, ptr %to, i64 %x, i64 16)
  call void @write_samples(<8 x i32> %high3.next, <8 x i32> %low3.next, ptr %to, i64 %x, i64 24)
  %x.next = add i64 %x.wanted, 32
  %more.chunks = icmp ult i64 %x.next, 1020
  br i1 %more.chunks, label %chunk, label %row_done

row_done:
  %to.next = getelementptr i8, ptr %to, i64 1020
  %y.next = add i64 %y, 1
  %more.rows = icmp ult i64 %y.next, 256
  br i1 %more.rows, label %row, label %done

done:
  ret void
}

; Write eight samples.
define internal void @write_samples(<8 x i32> %high, <8 x i32> %low, ptr %row, i64 %x, i64 %more) alwaysinline {
  %sums = call <8 x i32> @joined(<8 x i32> %high, <8 x i32> %low)
  %bytes = call <8 x i8> @rounded(<8 x i32> %sums)
  %first = getelementptr i8, ptr %row, i64 %x
  %at = getelementptr i8, ptr %first, i64 %more
  store <8 x i8> %bytes, ptr %at, align 1
  ret void
}
