package kr.seoham.client;

/** Where a document is. Times are Unix seconds, and null as long as they are not there. */
public final class Status {
    private final String binder;
    private final Answer answer;

    Status(String binder, Answer answer) {
        this.binder = binder;
        this.answer = answer;
    }

    /** The document's id. */
    public String binder() {
        return binder;
    }

    /** {@code SENT}, {@code RECEIVED}, {@code READ} or {@code EXPIRED}; null if this institution has no such document. */
    public String status() {
        return answer.text("doc_box_status");
    }

    /** When it was accepted. */
    public Long sentAt() {
        return answer.number("doc_box_sent_at");
    }

    /** When it came into the recipient's box. */
    public Long receivedAt() {
        return answer.number("doc_box_received_at");
    }

    /** When the recipient first authenticated to open it. */
    public Long authenticatedAt() {
        return answer.number("authenticated_at");
    }

    /** When a token was first verified. */
    public Long tokenUsedAt() {
        return answer.number("token_used_at");
    }

    /** When it was first reported as read. */
    public Long readAt() {
        return answer.number("doc_box_read_at");
    }

    /** When the notification arrived, by the messenger's own report. */
    public Long notifiedAt() {
        return answer.number("user_notified_at");
    }

    /** As it was sent. */
    public String payload() {
        return answer.text("payload");
    }
}
