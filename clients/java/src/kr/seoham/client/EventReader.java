package kr.seoham.client;

import java.io.IOException;

/**
 * Reads the feed from a position on, page by page. Keep {@link EventPage#through()} and {@link EventPage#epoch()} with what
 * you made of a page, in one transaction: then nothing is lost and nothing counts twice, whenever the program ends. Call
 * {@link #processed} after that; until then {@link #next} reads the same page. Not for several threads.
 */
public final class EventReader {
    /** Events of a page, at most. */
    public static final int LIMIT_MAX = 1_000;

    private final SeohamClient client;
    private long through;
    private long epoch;

    /**
     * A reader from the beginning: {@code new EventReader(client, 0, 0)}, or from where a former one was.
     *
     * @param through the number that was read last; 0 for none
     * @param epoch its epoch; 0 if none is known yet
     */
    public EventReader(SeohamClient client, long through, long epoch) {
        this.client = client;
        this.through = through;
        this.epoch = epoch;
    }

    /**
     * The page after what was processed, as soon as there is an event; an empty one if there is none within
     * {@code waitSeconds}.
     *
     * @param waitSeconds 0 to 25
     * @throws EpochChangedException if numbers mean other events now; the position stays where it was
     * @throws SeohamException 410 if the events at the position are not kept any more: {@link SeohamException#oldest()}
     *     says from where on they are
     */
    public EventPage next(int waitSeconds) throws IOException, SeohamException, EpochChangedException {
        EventPage page = client.events(through, LIMIT_MAX, waitSeconds);
        if (epoch != 0 && page.epoch() != epoch) {
            throw new EpochChangedException(epoch, page.epoch());
        }
        return page;
    }

    /** The page was processed: the next one follows on it. */
    public void processed(EventPage page) {
        through = page.through();
        epoch = page.epoch();
    }

    /** The number through which everything was processed. */
    public long through() {
        return through;
    }

    /** The epoch of that number; 0 before the first page. */
    public long epoch() {
        return epoch;
    }
}
