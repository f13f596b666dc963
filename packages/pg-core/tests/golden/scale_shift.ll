; runtime 1
define void @p0(ptr %buffers, i64 %begin, i64 %end, ptr %runtime) nounwind {
entry:
  %v0 = getelementptr ptr, ptr %buffers, i64 0
  %v1 = load ptr, ptr %v0
  %v2 = getelementptr ptr, ptr %buffers, i64 1
  %v3 = load ptr, ptr %v2
  br label %head0
head0:
  %v4 = phi i64 [ %begin, %entry ], [ %v5, %latch2 ]
  %v5 = add i64 %v4, 1
  %v6 = icmp sle i64 %v5, %end
  br i1 %v6, label %body1, label %done3
body1:
  br label %head4
head4:
  %v7 = phi i64 [ 0, %body1 ], [ %v8, %latch6 ]
  %v8 = add i64 %v7, 32
  %v9 = icmp sle i64 %v8, 100
  br i1 %v9, label %body5, label %done7
body5:
  %v10 = getelementptr float, ptr %v1, i64 %v7
  %v11 = load <8 x float>, ptr %v10, align 4
  %v12 = getelementptr float, ptr %v10, i64 8
  %v13 = load <8 x float>, ptr %v12, align 4
  %v14 = getelementptr float, ptr %v10, i64 16
  %v15 = load <8 x float>, ptr %v14, align 4
  %v16 = getelementptr float, ptr %v10, i64 24
  %v17 = load <8 x float>, ptr %v16, align 4
  %v18 = fmul <8 x float> %v11, splat (float 0x4000000000000000)
  %v19 = fmul <8 x float> %v13, splat (float 0x4000000000000000)
  %v20 = fmul <8 x float> %v15, splat (float 0x4000000000000000)
  %v21 = fmul <8 x float> %v17, splat (float 0x4000000000000000)
  %v22 = fadd <8 x float> %v18, splat (float 0x3FF0000000000000)
  %v23 = fadd <8 x float> %v19, splat (float 0x3FF0000000000000)
  %v24 = fadd <8 x float> %v20, splat (float 0x3FF0000000000000)
  %v25 = fadd <8 x float> %v21, splat (float 0x3FF0000000000000)
  %v26 = getelementptr float, ptr %v3, i64 %v7
  store <8 x float> %v22, ptr %v26, align 4
  %v27 = getelementptr float, ptr %v26, i64 8
  store <8 x float> %v23, ptr %v27, align 4
  %v28 = getelementptr float, ptr %v26, i64 16
  store <8 x float> %v24, ptr %v28, align 4
  %v29 = getelementptr float, ptr %v26, i64 24
  store <8 x float> %v25, ptr %v29, align 4
  br label %latch6
latch6:
  br label %head4
done7:
  br label %head8
head8:
  %v30 = phi i64 [ %v7, %done7 ], [ %v31, %latch10 ]
  %v31 = add i64 %v30, 8
  %v32 = icmp slt i64 %v30, 100
  br i1 %v32, label %body9, label %done11
body9:
  %v33 = sub i64 100, %v30
  %v34 = trunc i64 %v33 to i32
  %v35 = insertelement <8 x i32> poison, i32 %v34, i64 0
  %v36 = shufflevector <8 x i32> %v35, <8 x i32> poison, <8 x i32> zeroinitializer
  %v37 = icmp slt <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>, %v36
  %v38 = getelementptr float, ptr %v1, i64 %v30
  %v39 = call <8 x float> @llvm.masked.load.v8f32.p0(ptr align 4 %v38, <8 x i1> %v37, <8 x float> zeroinitializer)
  %v40 = fmul <8 x float> %v39, splat (float 0x4000000000000000)
  %v41 = fadd <8 x float> %v40, splat (float 0x3FF0000000000000)
  %v42 = getelementptr float, ptr %v3, i64 %v30
  call void @llvm.masked.store.v8f32.p0(<8 x float> %v41, ptr align 4 %v42, <8 x i1> %v37)
  br label %latch10
latch10:
  br label %head8
done11:
  br label %latch2
latch2:
  br label %head0
done3:
  ret void
}
declare <8 x float> @llvm.masked.load.v8f32.p0(ptr, <8 x i1>, <8 x float>)
declare void @llvm.masked.store.v8f32.p0(<8 x float>, ptr, <8 x i1>)
!0 = !{i32 1}
