import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import kr.seoham.client.WebhookDelivery;
import kr.seoham.client.WebhookVerifier;

/**
 * Verifies one request: {@code java CheckWebhook SECRET ID TIMESTAMP SIGNATURES BODY} prints the numbers of its events,
 * {@code ping}, {@code unsigned} or {@code malformed}.
 */
public final class CheckWebhook {
    public static void main(String[] args) {
        WebhookVerifier verifier = new WebhookVerifier(args[0]);
        try {
            WebhookDelivery delivery =
                verifier.read(args[1], args[2], args[3], args[4].getBytes(StandardCharsets.UTF_8));
            StringBuilder numbers = new StringBuilder(delivery.isPing() ? "ping" : "");
            delivery.events().forEach(event -> numbers.append(event.seq()).append(' ').append(event.type()).append(' '));
            System.out.println(numbers.toString().trim());
        } catch (GeneralSecurityException unsigned) {
            System.out.println("unsigned");
        } catch (IllegalArgumentException malformed) {
            System.out.println("malformed");
        }
    }
}
