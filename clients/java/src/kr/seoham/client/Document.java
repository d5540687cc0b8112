package kr.seoham.client;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A document to send. The platform checks it; what is wrong is told for each document. */
public final class Document {
    private final Map<String, Object> document = new LinkedHashMap<>();
    private final Map<String, Object> receiver = new LinkedHashMap<>();
    private final Map<String, Object> property = new LinkedHashMap<>();
    private final List<String> categories = new ArrayList<>();

    private Document(String title) {
        document.put("title", title);
        document.put("receiver", receiver);
        document.put("property", property);
    }

    /** A document for whoever has this telephone number, name and birthday ({@code YYYYMMDD}). */
    public static Document toPhone(String title, String phoneNumber, String name, String birthday) {
        Document document = new Document(title);
        document.receiver.put("phone_number", phoneNumber);
        document.receiver.put("name", name);
        document.receiver.put("birthday", birthday);
        return document;
    }

    /** A document for whoever has this connecting information (연계정보). */
    public static Document toCi(String title, String ci) {
        Document document = new Document(title);
        document.receiver.put("ci", ci);
        return document;
    }

    /** The institution's page, which the recipient is led to. */
    public Document link(String url) {
        property.put("link", url);
        return this;
    }

    /** Whom recipients ask: a telephone number and a name. */
    public Document customerService(String number, String name) {
        property.put("cs_number", number);
        property.put("cs_name", name);
        return this;
    }

    /** The institution's own id of the document; in a bulk send each has one. */
    public Document externalId(String id) {
        property.put("external_document_uuid", id);
        return this;
    }

    /** Until when it can be opened, in Unix seconds. */
    public Document openUntil(long unixSeconds) {
        document.put("read_expired_at", unixSeconds);
        return this;
    }

    /** For how long it can be opened, in seconds from its acceptance. */
    public Document openForSeconds(long seconds) {
        document.put("read_expired_sec", seconds);
        return this;
    }

    /** A text of the notification. */
    public Document message(String text) {
        property.put("message", text);
        return this;
    }

    /** What is handed back unchanged with the status and the verified token. */
    public Document payload(String text) {
        property.put("payload", text);
        return this;
    }

    /** The hash of the original; a certified contract demands one. */
    public Document hash(String hash) {
        document.put("hash", hash);
        return this;
    }

    /** A category: {@code BILL}, {@code BILL_PAY}, {@code NOTICE}, {@code CONTRACT}, {@code REPORT}. */
    public Document category(String category) {
        categories.add(category);
        document.put("common_categories", categories);
        return this;
    }

    /** The receiver's registered name must be the one that is given. */
    public Document verifyingName() {
        receiver.put("is_required_verify_name", true);
        return this;
    }

    Map<String, Object> json() {
        return document;
    }
}
