package kr.seoham.client;

/** A step of a document, numbered from 1 without gaps for each institution. */
public final class Event {
    private final Answer answer;

    Event(Answer answer) {
        this.answer = answer;
    }

    /** Its number. */
    public long seq() {
        return answer.number("seq");
    }

    /** What happened, such as {@code document.read}. Ignore types that you do not know. */
    public String type() {
        return answer.text("type");
    }

    /** When, in Unix seconds. */
    public long at() {
        return answer.number("at");
    }

    /** The document's id; null if the event is about no document. */
    public String binder() {
        return answer.text("document_binder_uuid");
    }

    /** The institution's id of the document; null if it was sent without one. */
    public String externalId() {
        return answer.text("external_document_uuid");
    }

    /** The document as it was after this step. */
    public Status status() {
        return new Status(binder(), answer.object("data"));
    }

    /** Whether it has what every event has. */
    boolean isWhole() {
        return answer.number("seq") != null && type() != null && answer.number("at") != null;
    }
}
