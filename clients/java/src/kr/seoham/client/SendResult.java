package kr.seoham.client;

/** What became of one document of a send. */
public final class SendResult {
    private final Answer answer;

    SendResult(Answer answer) {
        this.answer = answer;
    }

    /** The institution's id of the document, as it was sent. */
    public String externalId() {
        return answer.text("external_document_uuid");
    }

    /** The document's id, {@code BIN-…}; null if it was refused. Keep it: the status is asked for with it. */
    public String binder() {
        return answer.text("document_binder_uuid");
    }

    /** Whether the platform has the document. */
    public boolean isAccepted() {
        return binder() != null;
    }

    /** Why it was refused; null if it was accepted. */
    public String errorCode() {
        return answer.text("error_code");
    }

    /** The same for people. */
    public String errorMessage() {
        return answer.text("error_message");
    }
}
