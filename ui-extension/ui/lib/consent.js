/*
 * The automatic procedure in the panel: it opens a window for the person who signs in, and polls the state of the consent
 * until it ends. It uses no widgets; it reports what happens through events:
 *
 *   waiting({progress, manual, blocked, link, url, ends, reference})
 *                                        the consent has begun, or has come further (progress: not_opened, opened or
 *                                        answered). manual says that it ends with an authentication code, blocked that the
 *                                        window could not be led to url, link that the person may have lost the window, and
 *                                        ends when the sign-in has to be finished
 *   interrupted(reference)               the connector did not answer; polling continues
 *   ended({status, failure, reference, late})
 *                                        the outcome, or status "failed" without failure after the timeout. late says that
 *                                        it ended before the screen opened
 *   lost(error)                          the state of the consent can no longer be read
 *
 * reference is the reference of the call that began the consent, under which the connector's log and the history have
 * the details.
 *
 * The window first opens the connector's start page, whose script tells us which browser we are open in. Only in that browser
 * does the consent take effect at once; whoever else gets the address needs the authentication code. What has become of the
 * window is asked of the connector, not of the window: while it shows Microsoft's pages, it counts as closed
 * (docs/reference/microsoft-identity.md §9). Which consent is under way is in the connector's status, so that a reload or
 * another tab goes on with it.
 */
define(["app/lib/connector"], function (connector) {
    "use strict";

    const { failures } = connector;

    const pollEvery = 2000;
    // The connector reports a timeout itself, so polling continues for this much longer.
    const grace = 60000;
    // How long the start page may take. Without its message the consent ends with an authentication code.
    const startWithin = 5000;
    // After so many polls, a page that was not opened yet may have been lost.
    const lostAfter = 3;
    // The type of the start page's message (connector/onboarding/consent.go).
    const startType = "azure-partner-connector-browser";

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

    const open = function (title, text, startURL) {
        if (startURL) {
            return window.open(startURL, "_blank");
        }
        const w = window.open("", "_blank");
        if (w) {
            writePage(w, title, text);
            w.opener = null;
        }
        return w;
    };

    /* lead leads the window w to a page, and reports whether it could. It cannot when the window was blocked or closed, or when
       its page has cut us off. */
    const lead = function (w, url) {
        if (!w || w.closed) {
            return false;
        }
        try {
            w.location.replace(url);
        } catch (cutOff) {
            return false;
        }
        return true;
    };

    /* learn calls done with what the start page in the window w says about the browser, or with "". */
    const learn = function (w, startURL, done) {
        if (!w || !startURL) {
            done("");
            return;
        }
        const origin = new URL(startURL).origin;
        let limit = 0;
        const receive = function (event) {
            const said = event.data;
            if (event.source === w && event.origin === origin && said && said.type === startType && typeof said.browser === "string") {
                finish(said.browser);
            }
        };
        const finish = function (browser) {
            clearTimeout(limit);
            window.removeEventListener("message", receive);
            done(browser);
        };
        window.addEventListener("message", receive);
        limit = setTimeout(function () { finish(""); }, startWithin);
    };

    /* tellings remembers in this browser of which consent the person was told last: its id is no secret. Without storage, a
       reload tells it again. */
    const tellings = function (key) {
        let last = "";
        return {
            has: function (id) {
                try {
                    return last === id || window.localStorage.getItem(key) === id;
                } catch (unavailable) {
                    return false;
                }
            },
            add: function (id) {
                last = id;
                try {
                    window.localStorage.setItem(key, id);
                } catch (unavailable) {
                    // it is told again after a reload
                }
            }
        };
    };

    return function (operations, events, tenantId) {
        const told = tellings("azure-partner-consent-" + tenantId);
        let current = null; // {id, url, until, began, manual, blocked, reference}, and what was seen of it: progress, polls,
                            // interrupted
        let timer = 0;
        let generation = 0; // answers to requests of an earlier generation are ignored
        let beginning = false;
        let paused = false;

        const stop = function () {
            generation += 1;
            clearTimeout(timer);
        };

        const end = function (outcome) {
            // The window stays open: its onboarding page shows the outcome to the person who signed in.
            const reference = current.reference;
            told.add(current.id);
            current = null;
            stop();
            events.ended(Object.assign({}, outcome, { reference: reference }));
        };

        const reportWaiting = function (link) {
            events.waiting({
                progress: current.progress,
                manual: Boolean(current.manual),
                blocked: Boolean(current.blocked),
                link: Boolean(current.url) && (link || Boolean(current.blocked)),
                url: current.url,
                ends: current.ends,
                reference: current.reference
            });
        };

        /* see reports the progress that the connector has seen, when it changes or the person may have lost the window. */
        const see = function (progress) {
            current.polls = (current.polls || 0) + 1;
            const lost = progress === "not_opened" && current.polls === lostAfter;
            if (progress !== current.progress || current.interrupted || lost) {
                current.blocked = current.blocked && progress === "not_opened";
                current.progress = progress;
                current.interrupted = false;
                reportWaiting(lost);
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
                see(consent.progress || (current.blocked ? "not_opened" : "opened")); // a connector may not say
                pollLater();
            }, function (error) {
                if (started !== generation) {
                    return;
                }
                if (!failures.read(error).temporary) {
                    told.add(current.id); // a status that still has it is no news
                    current = null;
                    events.lost(error);
                    return;
                }
                current.interrupted = true;
                events.interrupted(current.reference);
                pollLater();
            });
        };

        /* follow polls another consent than before. */
        const follow = function (consent, expiresAt, now) {
            stop();
            current = Object.assign({ ends: expiresAt, until: Date.now() + Math.max(new Date(expiresAt) - new Date(now), 0) + grace }, consent);
            if (!paused) {
                reportWaiting(false);
                timer = setTimeout(poll, pollEvery);
            }
        };

        const begin = function (w, now, begun) {
            if (!isWebAddress(begun.url)) {
                throw new Error("the address of the consent is not a web address");
            }
            const blocked = !lead(w, begun.url);
            follow({
                id: begun.id, url: begun.url, began: begun.now || now, manual: begun.procedure === "manual", blocked: blocked,
                reference: begun.reference || "", progress: "not_opened"
            }, begun.expiresAt, begun.now || now);
        };

        /* tellLate tells of a consent that ended before the screen opened. One that waits for a person is in the status. */
        const tellLate = function (attempt) {
            if (attempt.status === "succeeded" || attempt.status === "failed") {
                told.add(attempt.id);
                events.ended(Object.assign({}, attempt, { late: true }));
            }
        };

        return {
            /* begin starts a consent in a new window, in place of the one that is under way. It must be called within the click
               event, or browsers block the window (docs/reference/aps-ui.md §2.5). settings.now is the connector's time as far
               as the status told it; a connector that answers with its time knows better. done is called with the error, or
               with null once the consent has begun. */
            begin: function (settings, done) {
                const w = open(settings.title, settings.text, settings.startURL);
                const finish = function (error) {
                    beginning = false;
                    done(error);
                };
                stop();
                current = null;
                beginning = true;
                learn(w, settings.startURL, function (browser) {
                    operations.beginConsent(browser ? { browser: browser } : { origin: window.location.origin }).then(function (begun) {
                        begin(w, settings.now, begun);
                    }).then(function () {
                        finish(null);
                    }, function (error) {
                        if (w) {
                            w.close();
                        }
                        finish(error);
                    });
                });
            },

            /* adopt goes on with the newest consent that the status tells, wherever it began, or tells once in this browser
               how it ended. attempt is null without one. */
            adopt: function (attempt, now) {
                const other = current && attempt && current.id !== attempt.id;
                if (!attempt || paused || beginning || told.has(attempt.id) || other && new Date(attempt.begunAt) <= new Date(current.began)) {
                    return;
                }
                if (attempt.status === "waiting") {
                    if (!current || other) {
                        follow({
                            id: attempt.id, url: "", began: attempt.begunAt, manual: attempt.ends === "manual", reference: "", progress: attempt.progress
                        }, attempt.expiresAt, now);
                    }
                } else if (current && !other) {
                    end(attempt);
                } else {
                    tellLate(attempt);
                }
            },

            /* began returns when the consent that is under way began; null if none is. */
            began: function () { return current && current.began; },

            /* cancel stops waiting for the consent that is under way, in this browser also after a reload. Who finishes the sign-in
               nevertheless grants the consent. */
            cancel: function () {
                if (current) {
                    told.add(current.id);
                    current = null;
                    stop();
                }
            },

            /* goOn continues with the consent that is under way. */
            goOn: function () {
                if (current) {
                    reportWaiting(true);
                }
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
                    reportWaiting(false);
                    poll();
                }
            }
        };
    };
});
