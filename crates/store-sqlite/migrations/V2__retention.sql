-- What is removed with a document is found by it.
CREATE INDEX one_time_tokens_by_document ON one_time_tokens (document_no);
