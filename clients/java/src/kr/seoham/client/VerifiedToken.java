package kr.seoham.client;

/** A token that was verified: whoever brought it has authenticated as the recipient of the document. */
public final class VerifiedToken {
    private final String binder;
    private final Answer answer;

    VerifiedToken(String binder, Answer answer) {
        this.binder = binder;
        this.answer = answer;
    }

    /** The document's id. */
    public String binder() {
        return binder;
    }

    /** The institution's id of the document; null if it was sent without one. */
    public String externalId() {
        return answer.text("external_document_uuid");
    }

    /** As it was sent. */
    public String payload() {
        return answer.text("payload");
    }

    /** When the token was verified, in Unix seconds. */
    public Long usedAt() {
        return answer.number("token_used_at");
    }

    /** When the recipient authenticated, in Unix seconds; null under a contract that demands nothing. */
    public Long authenticatedAt() {
        return answer.number("authenticated_at");
    }
}
