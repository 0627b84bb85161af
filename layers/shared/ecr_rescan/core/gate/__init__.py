"""The gate: may this image go on? A question, the rule that answers it from the record, and the answer's form."""
