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
  %v9 = icmp sle i64 %v8, 70
  br i1 %v9, label %body5, label %done7
body5:
  br label %head8
head8:
  %v10 = phi i64 [ 0, %body5 ], [ %v15, %latch10 ]
  %v11 = phi <8 x float> [ splat (float 0xFFF0000000000000), %body5 ], [ %v30, %latch10 ]
  %v12 = phi <8 x float> [ splat (float 0xFFF0000000000000), %body5 ], [ %v34, %latch10 ]
  %v13 = phi <8 x float> [ splat (float 0xFFF0000000000000), %body5 ], [ %v38, %latch10 ]
  %v14 = phi <8 x float> [ splat (float 0xFFF0000000000000), %body5 ], [ %v42, %latch10 ]
  %v15 = add i64 %v10, 1
  %v16 = icmp sle i64 %v15, 9
  br i1 %v16, label %body9, label %done11
body9:
  %v17 = mul i64 %v10, 70
  %v18 = add i64 %v17, %v7
  %v19 = getelementptr float, ptr %v1, i64 %v18
  %v20 = load <8 x float>, ptr %v19, align 4
  %v21 = getelementptr float, ptr %v19, i64 8
  %v22 = load <8 x float>, ptr %v21, align 4
  %v23 = getelementptr float, ptr %v19, i64 16
  %v24 = load <8 x float>, ptr %v23, align 4
  %v25 = getelementptr float, ptr %v19, i64 24
  %v26 = load <8 x float>, ptr %v25, align 4
  %v27 = fcmp ogt <8 x float> %v11, %v20
  %v28 = select <8 x i1> %v27, <8 x float> %v11, <8 x float> %v20
  %v29 = fcmp uno <8 x float> %v11, %v11
  %v30 = select <8 x i1> %v29, <8 x float> %v11, <8 x float> %v28
  %v31 = fcmp ogt <8 x float> %v12, %v22
  %v32 = select <8 x i1> %v31, <8 x float> %v12, <8 x float> %v22
  %v33 = fcmp uno <8 x float> %v12, %v12
  %v34 = select <8 x i1> %v33, <8 x float> %v12, <8 x float> %v32
  %v35 = fcmp ogt <8 x float> %v13, %v24
  %v36 = select <8 x i1> %v35, <8 x float> %v13, <8 x float> %v24
  %v37 = fcmp uno <8 x float> %v13, %v13
  %v38 = select <8 x i1> %v37, <8 x float> %v13, <8 x float> %v36
  %v39 = fcmp ogt <8 x float> %v14, %v26
  %v40 = select <8 x i1> %v39, <8 x float> %v14, <8 x float> %v26
  %v41 = fcmp uno <8 x float> %v14, %v14
  %v42 = select <8 x i1> %v41, <8 x float> %v14, <8 x float> %v40
  br label %latch10
latch10:
  br label %head8
done11:
  %v43 = getelementptr float, ptr %v3, i64 %v7
  store <8 x float> %v11, ptr %v43, align 4
  %v44 = getelementptr float, ptr %v43, i64 8
  store <8 x float> %v12, ptr %v44, align 4
  %v45 = getelementptr float, ptr %v43, i64 16
  store <8 x float> %v13, ptr %v45, align 4
  %v46 = getelementptr float, ptr %v43, i64 24
  store <8 x float> %v14, ptr %v46, align 4
  br label %latch6
latch6:
  br label %head4
done7:
  br label %head12
head12:
  %v47 = phi i64 [ %v7, %done7 ], [ %v48, %latch14 ]
  %v48 = add i64 %v47, 8
  %v49 = icmp slt i64 %v47, 70
  br i1 %v49, label %body13, label %done15
body13:
  %v50 = sub i64 70, %v47
  %v51 = trunc i64 %v50 to i32
  %v52 = insertelement <8 x i32> poison, i32 %v51, i64 0
  %v53 = shufflevector <8 x i32> %v52, <8 x i32> poison, <8 x i32> zeroinitializer
  %v54 = icmp slt <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>, %v53
  br label %head16
head16:
  %v55 = phi i64 [ 0, %body13 ], [ %v57, %latch18 ]
  %v56 = phi <8 x float> [ splat (float 0xFFF0000000000000), %body13 ], [ %v66, %latch18 ]
  %v57 = add i64 %v55, 1
  %v58 = icmp sle i64 %v57, 9
  br i1 %v58, label %body17, label %done19
body17:
  %v59 = mul i64 %v55, 70
  %v60 = add i64 %v59, %v47
  %v61 = getelementptr float, ptr %v1, i64 %v60
  %v62 = call <8 x float> @llvm.masked.load.v8f32.p0(ptr align 4 %v61, <8 x i1> %v54, <8 x float> zeroinitializer)
  %v63 = fcmp ogt <8 x float> %v56, %v62
  %v64 = select <8 x i1> %v63, <8 x float> %v56, <8 x float> %v62
  %v65 = fcmp uno <8 x float> %v56, %v56
  %v66 = select <8 x i1> %v65, <8 x float> %v56, <8 x float> %v64
  br label %latch18
latch18:
  br label %head16
done19:
  %v67 = getelementptr float, ptr %v3, i64 %v47
  call void @llvm.masked.store.v8f32.p0(<8 x float> %v56, ptr align 4 %v67, <8 x i1> %v54)
  br label %latch14
latch14:
  br label %head12
done15:
  br label %latch2
latch2:
  br label %head0
done3:
  ret void
}
declare <8 x float> @llvm.masked.load.v8f32.p0(ptr, <8 x i1>, <8 x float>)
declare void @llvm.masked.store.v8f32.p0(<8 x float>, ptr, <8 x i1>)
!0 = !{i32 1}
