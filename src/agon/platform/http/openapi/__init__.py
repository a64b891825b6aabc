"""The description of the API (OpenAPI 3.1), made from what the operations declare and the types they really use."""
