package kr.seoham.client;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * A client of the institution API: every call, with nothing but the standard library of Java 8 or later. It can be used
 * by many threads at once.
 *
 * <p>Calls are repeated on 429 and 503, and where no answer came if that cannot create anything twice: sends go under an
 * idempotency key. Every exchange is logged (logger {@code kr.seoham.traffic}, level INFO) with its method, path, status
 * and duration; bodies, tokens and personal values are not.
 */
public final class SeohamClient {
    private static final Logger TRAFFIC = Logger.getLogger("kr.seoham.traffic");
    /** Documents of one bulk call. */
    public static final int ITEMS_MAX = 100;
    private static final int ATTEMPTS_MAX = 5;
    /** Where a person waits for the answer. */
    private static final int ATTEMPTS_OF_A_PERSON_MAX = 2;
    private static final int CONNECT_MILLIS = 5_000;
    private static final int READ_MILLIS = 30_000;
    /** Shorter than the wait for an answer. */
    private static final int WAIT_SECONDS_MAX = 25;
    private static final long PAUSE_MILLIS_MAX = 60_000;
    private static final long PERSON_PAUSE_MILLIS_MAX = 3_000;
    private static final int ANSWER_BYTES_MAX = 4 * 1024 * 1024;

    private final String api;
    private final String bulk;
    private final String accessToken;
    private final String contract;

    /**
     * A client of one institution's contract.
     *
     * @param api the platform's api address, {@code https://api.example.kr}
     * @param bulk the address of bulk calls; the same where there is no other
     * @param accessToken 32 hex digits; a secret
     * @param contract {@code CON-…}
     */
    public SeohamClient(String api, String bulk, String accessToken, String contract) {
        this.api = withoutSlash(api);
        this.bulk = withoutSlash(bulk);
        this.accessToken = accessToken.trim();
        this.contract = contract.trim();
    }

    /**
     * Sends 1 to 100 documents; gives a result for each, in their order.
     *
     * @param key 1 to 64 printable characters that are this request's own, and the same whenever it is repeated: within 7
     *     days the platform answers it with its first results and creates nothing
     * @throws SeohamException if the request is refused as a whole
     * @throws IOException if no answer came, however often it was tried: repeat it later under the same key
     */
    public List<SendResult> send(List<Document> documents, String key) throws IOException, SeohamException {
        List<Object> items = new ArrayList<>();
        for (Document document : documents) {
            items.add(document.json());
        }
        Map<String, Object> body = Collections.<String, Object>singletonMap("documents", items);
        Answer answer = call("POST", bulk + "/v1/documents/bulk", body, key(key), true);
        List<SendResult> results = new ArrayList<>();
        for (Answer item : answer.list("documents")) {
            results.add(new SendResult(item));
        }
        if (results.size() != documents.size()) {
            throw new IOException("the answer has " + results.size() + " results of " + documents.size());
        }
        return results;
    }

    /**
     * Sends one document; gives its id, {@code BIN-…}.
     *
     * @param key as of {@link #send}
     */
    public String sendOne(Document document, String key) throws IOException, SeohamException {
        Map<String, Object> body = Collections.<String, Object>singletonMap("document", document.json());
        return call("POST", api + "/v1/documents", body, key(key), true).text("document_binder_uuid");
    }

    /** The statuses of 1 to 100 documents, in their order. Ask every five seconds or slower. */
    public List<Status> statuses(List<String> binders) throws IOException, SeohamException {
        Map<String, Object> body = Collections.<String, Object>singletonMap("document_binder_uuids", binders);
        Answer answer = call("POST", bulk + "/v1/documents/bulk/status", body, none(), true);
        List<Status> statuses = new ArrayList<>();
        for (Answer item : answer.list("documents")) {
            statuses.add(new Status(item.text("document_binder_uuid"), item.object("status_data")));
        }
        return statuses;
    }

    /** The status of one document. */
    public Status status(String binder) throws IOException, SeohamException {
        String path = "/v1/documents/" + encoded(binder) + "/status";
        return new Status(binder, call("GET", api + path, null, none(), true));
    }

    /**
     * Verifies the token that a recipient brought, which uses it up: of two calls one succeeds. It is not repeated when the
     * answer is lost, since the token is used then; the library itself may send it a second time on a broken connection,
     * and the token is then told as used.
     *
     * @throws SeohamException 400 if it was used before or has expired, 404 if it is no token of this document
     */
    public VerifiedToken verify(String binder, String token) throws IOException, SeohamException {
        Map<String, String> headers = Collections.singletonMap("Seoham-External-Document", "true");
        String path = "/v1/documents/" + encoded(binder) + "/tokens/" + encoded(token);
        return new VerifiedToken(binder, call("GET", api + path, null, headers, false));
    }

    /** Reports that the institution's page was shown. Repeating it changes nothing. */
    public void reportRead(String binder) throws IOException, SeohamException {
        Map<String, Object> read = Collections.<String, Object>singletonMap("is_detail_read", true);
        Map<String, Object> body = Collections.<String, Object>singletonMap("document", read);
        call("POST", api + "/v1/documents/" + encoded(binder), body, none(), true);
    }

    /**
     * Events of the institution's feed after a number, in order; {@link EventReader} keeps the position.
     *
     * @param after the number that was read last; 0 from the beginning
     * @param limit 1 to 1,000
     * @param waitSeconds how long to wait if there is none yet, 0 to 25
     * @throws SeohamException 410 if events after {@code after} are not kept any more
     */
    public EventPage events(long after, int limit, int waitSeconds) throws IOException, SeohamException {
        int wait = Math.max(0, Math.min(waitSeconds, WAIT_SECONDS_MAX));
        String query = "?after=" + after + "&limit=" + limit + "&wait=" + wait;
        Answer answer = call("GET", api + "/v1/events" + query, null, none(), true);
        return new EventPage(answer);
    }

    /**
     * Withdraws a document that nobody has opened: it can no longer be opened. Repeating it changes nothing.
     *
     * @throws SeohamException 403 if it was opened before, 404 if this institution has no such document
     */
    public void withdraw(String binder) throws IOException, SeohamException {
        call("POST", api + "/v1/documents/" + encoded(binder) + "/withdraw", null, none(), true);
    }

    private Answer call(String method, String url, Object body, Map<String, String> headers, boolean repeats)
            throws IOException, SeohamException {
        for (int attempt = 1; ; attempt++) {
            long pauseMillis = Math.min(200L << attempt, PAUSE_MILLIS_MAX);
            try {
                return once(method, url, body, headers);
            } catch (Refused refused) {
                boolean isUnsent = refused.error.status() == 429 || refused.error.status() == 503;
                if (attempt >= (repeats ? ATTEMPTS_MAX : ATTEMPTS_OF_A_PERSON_MAX) || !(isUnsent || repeats && refused.error.isPassing())) {
                    throw refused.error;
                }
                pauseMillis = Math.max(pauseMillis, refused.retryAfterMillis);
                if (!repeats && pauseMillis > PERSON_PAUSE_MILLIS_MAX) {
                    throw refused.error;
                }
            } catch (IOException lost) {
                if (attempt == ATTEMPTS_MAX || !repeats) {
                    throw lost;
                }
            }
            pause(pauseMillis);
        }
    }

    private Answer once(String method, String url, Object body, Map<String, String> headers)
            throws IOException, Refused {
        long begun = System.nanoTime();
        int status = 0;
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        try {
            connection.setRequestMethod(method);
            connection.setConnectTimeout(CONNECT_MILLIS);
            connection.setReadTimeout(READ_MILLIS);
            connection.setInstanceFollowRedirects(false);
            connection.setUseCaches(false);
            connection.setRequestProperty("Authorization", "Bearer " + accessToken);
            connection.setRequestProperty("Contract-Uuid", contract);
            connection.setRequestProperty("Accept", "application/json");
            for (Map.Entry<String, String> header : headers.entrySet()) {
                connection.setRequestProperty(header.getKey(), header.getValue());
            }
            if (body != null) {
                byte[] bytes = Json.write(body).getBytes(StandardCharsets.UTF_8);
                connection.setRequestProperty("Content-Type", "application/json;charset=UTF-8");
                connection.setDoOutput(true);
                // Otherwise the library sends a POST a second time by itself when a connection breaks.
                connection.setFixedLengthStreamingMode(bytes.length);
                try (OutputStream out = connection.getOutputStream()) {
                    out.write(bytes);
                }
            }
            status = connection.getResponseCode();
            boolean isGood = status >= 200 && status < 300;
            String text = read(isGood ? connection.getInputStream() : connection.getErrorStream());
            Answer answer = parsed(text, isGood);
            if (isGood) {
                return answer;
            }
            String code = answer.text("error_code");
            String message = answer.text("error_message");
            if (status == HttpURLConnection.HTTP_UNAUTHORIZED && code == null) {
                // The library does not show the body of this answer to a POST.
                code = "UNAUTHORIZED";
            }
            SeohamException error =
                new SeohamException(status, code == null ? "" : code, message == null ? "" : message, answer.number("oldest"));
            throw new Refused(error, retryAfterMillis(connection));
        } finally {
            long millis = (System.nanoTime() - begun) / 1_000_000;
            String path = new URL(url).getPath().replaceAll("/tokens/.*", "/tokens/…");
            TRAFFIC.log(Level.INFO, "{0} {1} {2} {3} ms", new Object[] {method, path, status, millis});
        }
    }

    private static Answer parsed(String text, boolean mustBeJson) throws IOException {
        if (text.isEmpty()) {
            return new Answer(null);
        }
        try {
            return new Answer(Json.read(text));
        } catch (IllegalArgumentException malformed) {
            // Something between us and the platform may answer in its own form.
            if (mustBeJson) {
                throw new IOException("the answer is " + malformed.getMessage());
            }
            return new Answer(null);
        }
    }

    private static String read(InputStream in) throws IOException {
        if (in == null) {
            return "";
        }
        try (InputStream body = in) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            byte[] piece = new byte[8 * 1024];
            for (int read = body.read(piece); read >= 0; read = body.read(piece)) {
                bytes.write(piece, 0, read);
                if (bytes.size() > ANSWER_BYTES_MAX) {
                    throw new IOException("the answer is too long");
                }
            }
            return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
        }
    }

    private static long retryAfterMillis(HttpURLConnection connection) {
        int seconds = connection.getHeaderFieldInt("Retry-After", 0);
        return Math.min(Math.max(seconds, 0) * 1000L, PAUSE_MILLIS_MAX);
    }

    private static void pause(long millis) throws IOException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while waiting to try again", interrupted);
        }
    }

    private static Map<String, String> key(String key) {
        Map<String, String> headers = new HashMap<>();
        headers.put("Idempotency-Key", key);
        return headers;
    }

    private static Map<String, String> none() {
        return Collections.emptyMap();
    }

    private static String encoded(String segment) throws IOException {
        return URLEncoder.encode(segment, "UTF-8").replace("+", "%20");
    }

    private static String withoutSlash(String url) {
        return url.endsWith("/") ? url.substring(0, url.length() - 1) : url;
    }

    /** A refusal, and how long the platform asks to wait. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;
        final SeohamException error;
        final long retryAfterMillis;

        Refused(SeohamException error, long retryAfterMillis) {
            super(error);
            this.error = error;
            this.retryAfterMillis = retryAfterMillis;
        }
    }
}
