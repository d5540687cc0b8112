package kr.seoham.servlet;

import java.io.IOException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import kr.seoham.client.SeohamClient;
import kr.seoham.client.SeohamException;
import kr.seoham.client.VerifiedToken;

/** Two requests with one token, as a double tap makes them: the token is verified once, and both are let in. */
final class Entering {
    private static final long SAME_TAP_NANOS = 10_000_000_000L;
    /** Tokens that are remembered at once; beyond it each request is by itself. */
    private static final int REMEMBERED_MAX = 10_000;

    private final ConcurrentHashMap<String, Attempt> attempts = new ConcurrentHashMap<>();

    VerifiedToken verify(SeohamClient client, String binder, String token, String browser)
            throws IOException, SeohamException {
        long now = System.nanoTime();
        attempts.values().removeIf(attempt -> now - attempt.begunNanos > SAME_TAP_NANOS);
        if (attempts.size() >= REMEMBERED_MAX) {
            return client.verify(binder, token);
        }
        String key = binder + "\n" + token;
        Attempt mine = new Attempt(browser, now, new FutureTask<>(() -> client.verify(binder, token)));
        Attempt first = attempts.putIfAbsent(key, mine);
        if (first == null) {
            mine.task.run();
            try {
                return mine.verified();
            } catch (IOException | SeohamException failed) {
                attempts.remove(key, mine);
                throw failed;
            }
        }
        // Another browser's is another's.
        return first.browser.equals(browser) ? first.verified() : client.verify(binder, token);
    }

    private static final class Attempt {
        private final String browser;
        private final long begunNanos;
        private final FutureTask<VerifiedToken> task;

        Attempt(String browser, long begunNanos, FutureTask<VerifiedToken> task) {
            this.browser = browser;
            this.begunNanos = begunNanos;
            this.task = task;
        }

        VerifiedToken verified() throws IOException, SeohamException {
            try {
                return task.get();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted", interrupted);
            } catch (ExecutionException failed) {
                if (failed.getCause() instanceof SeohamException) {
                    throw (SeohamException) failed.getCause();
                }
                throw new IOException("the token could not be verified", failed.getCause());
            }
        }
    }
}
