HERE = "beside"
