import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sends a document and asks where it is: java FirstDocument.java PLATFORM TOKEN CONTRACT */
public class FirstDocument {
    static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();

    public static void main(String[] args) throws Exception {
        String platform = args[0], token = args[1], contract = args[2];
        String body = """
            {"documents": [{
              "title": "첫 문서", "read_expired_sec": 2592000,
              "receiver": {"phone_number": "01000000001", "name": "서함시험", "birthday": "19900101"},
              "property": {"link": "https://tax.example.kr/notice", "cs_number": "02-000-0000",
                           "cs_name": "세무과", "external_document_uuid": "JAVA-1"}}]}""";
        HttpRequest send = request(platform + "/v1/documents/bulk", token, contract)
            .header("Content-Type", "application/json")
            // The same key on every attempt: nothing is created twice.
            .header("Idempotency-Key", UUID.randomUUID().toString())
            .POST(BodyPublishers.ofString(body))
            .build();
        String sent = call(send);
        System.out.println(sent);

        Matcher binder = Pattern.compile("BIN-[0-9a-f]{32}").matcher(sent);
        if (!binder.find()) {
            throw new IllegalStateException("refused");
        }
        String path = "/v1/documents/" + binder.group() + "/status";
        System.out.println(call(request(platform + path, token, contract).GET().build()));
    }

    static HttpRequest.Builder request(String url, String token, String contract) {
        return HttpRequest.newBuilder(URI.create(url))
            .timeout(Duration.ofSeconds(30))
            .header("Authorization", "Bearer " + token)
            .header("Contract-Uuid", contract);
    }

    /** Tries again on 429, 503, other failures of the server, and when no answer comes. */
    static String call(HttpRequest request) throws Exception {
        for (int attempt = 1; ; attempt++) {
            long pauseSeconds = 1L << attempt;
            try {
                HttpResponse<String> answer = HTTP.send(request, BodyHandlers.ofString());
                if (answer.statusCode() < 300) {
                    return answer.body();
                }
                if (answer.statusCode() != 429 && answer.statusCode() < 500 || attempt == 5) {
                    throw new IllegalStateException(answer.statusCode() + " " + answer.body());
                }
                pauseSeconds = answer.headers().firstValueAsLong("Retry-After").orElse(pauseSeconds);
            } catch (java.io.IOException lost) {
                if (attempt == 5) {
                    throw lost;
                }
            }
            Thread.sleep(pauseSeconds * 1000);
        }
    }
}
