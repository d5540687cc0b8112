package kr.seoham.client;

/**
 * A call that the platform refused. Branch on {@link #status()} and {@link #code()}, not on the message, which is for
 * people and in their language.
 */
public final class SeohamException extends Exception {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final String code;
    private final Long oldest;

    SeohamException(int status, String code, String message, Long oldest) {
        super(status + " " + code + ": " + message);
        this.status = status;
        this.code = code;
        this.oldest = oldest;
    }

    /** The HTTP status. */
    public int status() {
        return status;
    }

    /** The error's code, such as {@code INVALID_VALUE}; empty if the answer was not the platform's. */
    public String code() {
        return code;
    }

    /** Of a 410: the number of the oldest event that is kept. Null otherwise. */
    public Long oldest() {
        return oldest;
    }

    /** Whether the same call may succeed later: the platform is busy, or has a fault. */
    public boolean isPassing() {
        return status == 429 || status >= 500;
    }
}
