package kr.seoham.client;

/**
 * A call that the platform refused. Branch on {@link #status()} and {@link #code()}, not on the message, which is for
 * people and in their language.
 */
public final class SeohamException extends Exception {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final String code;

    SeohamException(int status, String code, String message) {
        super(status + " " + code + ": " + message);
        this.status = status;
        this.code = code;
    }

    /** The HTTP status. */
    public int status() {
        return status;
    }

    /** The error's code, such as {@code INVALID_VALUE}; empty if the answer was not the platform's. */
    public String code() {
        return code;
    }

    /** Whether the same call may succeed later: the platform is busy, or has a fault. */
    public boolean isPassing() {
        return status == 429 || status >= 500;
    }
}
