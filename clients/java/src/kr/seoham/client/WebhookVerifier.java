package kr.seoham.client;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Verifies that a request comes from the platform, as Standard Webhooks says, and reads its events. It can be used by many
 * threads at once.
 */
public final class WebhookVerifier {
    private static final String PREFIX = "whsec_";
    private static final String VERSION = "v1,";
    private static final String ALGORITHM = "HmacSHA256";
    /** How far a request's time may be from this machine's. */
    private static final long TOLERANCE_SECONDS = 5 * 60;

    private final byte[] key;

    /**
     * A verifier of one webhook.
     *
     * @param secret {@code whsec_…} as the registration answered
     * @throws IllegalArgumentException if it is none
     */
    public WebhookVerifier(String secret) {
        String trimmed = secret.trim();
        if (!trimmed.startsWith(PREFIX)) {
            throw new IllegalArgumentException("a secret begins with " + PREFIX);
        }
        key = Base64.getDecoder().decode(trimmed.substring(PREFIX.length()));
        if (key.length == 0) {
            throw new IllegalArgumentException("the secret is empty");
        }
    }

    /**
     * The delivery in a request.
     *
     * @param id the header {@code webhook-id}
     * @param timestamp the header {@code webhook-timestamp}
     * @param signatures the header {@code webhook-signature}
     * @param body the body, byte for byte as it came
     * @throws GeneralSecurityException if it is not signed with the secret, or more than five minutes old: answer 401
     * @throws IllegalArgumentException if it is signed, and is no delivery: answer 400
     */
    public WebhookDelivery read(String id, String timestamp, String signatures, byte[] body)
            throws GeneralSecurityException {
        if (id == null || timestamp == null || signatures == null || !isRecent(timestamp)) {
            throw new GeneralSecurityException("the request is not signed by the platform");
        }
        Mac mac = Mac.getInstance(ALGORITHM);
        mac.init(new SecretKeySpec(key, ALGORITHM));
        mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        byte[] expected = mac.doFinal(body);
        boolean isSigned = false;
        // With a new secret beside the former one there are two.
        for (String signature : signatures.split(" ")) {
            isSigned |= MessageDigest.isEqual(expected, decoded(signature));
        }
        if (!isSigned) {
            throw new GeneralSecurityException("the request is not signed by the platform");
        }
        return new WebhookDelivery(id, new Answer(Json.read(new String(body, StandardCharsets.UTF_8))));
    }

    private static boolean isRecent(String timestamp) {
        try {
            long apart = System.currentTimeMillis() / 1_000 - Long.parseLong(timestamp);
            return Math.abs(apart) <= TOLERANCE_SECONDS;
        } catch (NumberFormatException malformed) {
            return false;
        }
    }

    private static byte[] decoded(String signature) {
        try {
            return signature.startsWith(VERSION)
                ? Base64.getDecoder().decode(signature.substring(VERSION.length()))
                : new byte[0];
        } catch (IllegalArgumentException malformed) {
            return new byte[0];
        }
    }
}
