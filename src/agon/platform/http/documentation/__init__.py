"""The pages under /docs: the API and its errors for people, made from the description, without a line of script."""
