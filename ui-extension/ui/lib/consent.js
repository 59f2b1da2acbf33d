/*
 * The automatic procedure in the panel: it opens a window for the person who signs in, and polls the state of the consent
 * until it ends. It uses no widgets; it reports what happens through events:
 *
 *   waiting({blocked, url, reference})   the consent has begun; blocked says that the browser did not open the window
 *   closed(reference)                    the window was closed, or can no longer be seen; the consent may still succeed
 *   interrupted(reference)               the connector did not answer; polling continues
 *   ended({status, failure, reference})  the outcome, or status "failed" without failure after the timeout
 *   lost(error)                          the state of the consent can no longer be read
 *
 * reference is the reference of the call that began the consent, under which the connector's log and the history have
 * the details.
 */
define(["app/lib/failure"], function (failures) {
    "use strict";

    const pollEvery = 2000;
    // The connector reports a timeout itself, so polling continues for this much longer.
    const grace = 60000;

    // A javascript: address would run with the rights of the panel.
    const isWebAddress = function (url) {
        return /^https?:\/\//i.test(url);
    };

    const writePage = function (w, title, text) {
        w.document.title = title;
        const line = w.document.createElement("p");
        line.style.cssText = "font: 18px/1.5 sans-serif; margin: 20vh 10vw; text-align: center; color: #333";
        line.textContent = text;
        w.document.body.appendChild(line);
    };

    return function (operations, events) {
        let current = null; // {id, url, until, window, reference} and what was reported: waitingReported,
                            // closedReported, interrupted
        let timer = 0;
        let generation = 0; // answers to requests of an earlier generation are ignored
        let paused = false;

        const stop = function () {
            generation += 1;
            clearTimeout(timer);
        };

        const end = function (outcome) {
            // The window stays open: its onboarding page shows the outcome to the person who signed in.
            const reference = current.reference;
            current = null;
            stop();
            events.ended(Object.assign({}, outcome, { reference: reference }));
        };

        const reportWaiting = function () {
            if (!current.waitingReported) {
                current.waitingReported = true;
                events.waiting({ blocked: !current.window, url: current.url, reference: current.reference });
            }
        };

        const watchWindow = function () {
            if (current.window && current.window.closed && !current.closedReported) {
                current.closedReported = true;
                events.closed(current.reference);
            }
        };

        const poll = function () {
            const started = generation;
            const pollLater = function () {
                if (Date.now() > current.until) {
                    end({ status: "failed", failure: null });
                    return;
                }
                timer = setTimeout(poll, pollEvery);
            };
            operations.findConsent(current.id).then(function (consent) {
                if (started !== generation) {
                    return;
                }
                if (consent.status !== "waiting") {
                    end(consent);
                    return;
                }
                if (current.interrupted) {
                    current.interrupted = current.waitingReported = false;
                    reportWaiting();
                }
                watchWindow();
                pollLater();
            }, function (error) {
                if (started !== generation) {
                    return;
                }
                if (!failures.read(error).temporary) {
                    current = null;
                    events.lost(error);
                    return;
                }
                current.interrupted = true;
                events.interrupted(current.reference);
                pollLater();
            });
        };

        return {
            /* open opens the window. It must be called within the click event, or browsers block it
               (docs/reference/aps-ui.md §2.5). */
            open: function (title, text) {
                const w = window.open("", "_blank");
                if (w) {
                    writePage(w, title, text);
                    w.opener = null;
                }
                return w;
            },

            /* begin starts a consent for the window w, which is null if it was blocked. now is the connector's time as far as the status
               told it; a connector that answers with its time knows better. */
            begin: function (w, now) {
                stop();
                if (current && current.window && !current.window.closed) {
                    current.window.close();
                }
                current = null;
                return operations.beginConsent().then(function (begun) {
                    if (!isWebAddress(begun.url)) {
                        throw new Error("the address of the consent is not a web address");
                    }
                    if (w && !w.closed) {
                        w.location.replace(begun.url);
                    }
                    const life = Math.max(new Date(begun.expiresAt) - new Date(begun.now || now), 0);
                    current = { id: begun.id, url: begun.url, until: Date.now() + life + grace, window: w, reference: begun.reference || "" };
                    if (!paused) {
                        reportWaiting();
                        timer = setTimeout(poll, pollEvery);
                    }
                }).otherwise(function (error) {
                    if (w) {
                        w.close();
                    }
                    throw error;
                });
            },

            /* pause stops polling, and resume continues it if a consent is open. */
            pause: function () {
                paused = true;
                stop();
            },
            resume: function () {
                paused = false;
                stop();
                if (current) {
                    reportWaiting();
                    poll();
                }
            }
        };
    };
});
