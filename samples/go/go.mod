module attache-sample

go 1.19
