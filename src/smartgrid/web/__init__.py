"""The Flask side of every service: requests in, answers, problems, the OpenAPI document, the metrics page."""
