package kr.seoham.client;

/**
 * The platform was restored from a backup, and numbers may mean other events than before. Ask for the statuses of your open
 * documents, then read from the beginning of the new epoch.
 */
public final class EpochChangedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final long from;
    private final long to;

    EpochChangedException(long from, long to) {
        super("the epoch of the feed changed from " + from + " to " + to);
        this.from = from;
        this.to = to;
    }

    /** The epoch of the position. */
    public long from() {
        return from;
    }

    /** The epoch now. */
    public long to() {
        return to;
    }
}
