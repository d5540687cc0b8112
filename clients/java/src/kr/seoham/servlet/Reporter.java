package kr.seoham.servlet;

import java.io.IOException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import kr.seoham.client.SeohamClient;
import kr.seoham.client.SeohamException;

/**
 * Reports reads beside the requests, again and again until the platform has answered, for a day at most. What is still to
 * be reported when the application ends is lost; the log says which documents were entered.
 */
final class Reporter {
    private static final Logger ENTRY = Logger.getLogger("kr.seoham.entry");
    private static final int THREADS = 2;
    /** Reads that wait at once, at most. */
    private static final int WAITING_MAX = 100_000;
    private static final long PAUSE_SECONDS_MAX = 900;
    private static final int ATTEMPTS_MAX = 100;

    private final ScheduledThreadPoolExecutor threads;

    Reporter() {
        threads = new ScheduledThreadPoolExecutor(THREADS, work -> {
            Thread thread = new Thread(work, "seoham-reads");
            thread.setDaemon(true);
            return thread;
        });
    }

    void report(SeohamClient client, String binder) {
        schedule(client, binder, 0);
    }

    void close() {
        threads.shutdown();
    }

    private void schedule(SeohamClient client, String binder, int attempts) {
        long pauseSeconds = attempts == 0 ? 0 : Math.min(1L << Math.min(attempts, 20), PAUSE_SECONDS_MAX);
        try {
            if (threads.getQueue().size() >= WAITING_MAX) {
                throw new RejectedExecutionException("too many reads wait");
            }
            threads.schedule(() -> attempt(client, binder, attempts + 1), pauseSeconds, TimeUnit.SECONDS);
        } catch (RejectedExecutionException refused) {
            ENTRY.log(Level.SEVERE, "a read is not reported: {0}: {1}", new Object[] {binder, refused.getMessage()});
        }
    }

    private void attempt(SeohamClient client, String binder, int attempts) {
        boolean isPassing = true;
        String why;
        try {
            client.reportRead(binder);
            return;
        } catch (SeohamException refused) {
            isPassing = refused.isPassing();
            why = refused.getMessage();
        } catch (IOException lost) {
            why = lost.getMessage();
        }
        boolean isGivenUp = !isPassing || attempts >= ATTEMPTS_MAX;
        Level level = isGivenUp ? Level.SEVERE : Level.WARNING;
        ENTRY.log(level, "a read is not reported yet: {0}: {1}", new Object[] {binder, why});
        if (!isGivenUp) {
            schedule(client, binder, attempts);
        }
    }
}
