/*
 * Turns what went wrong into what a person is told. The connector sends its failures as templates with __named__
 * places and their values, so that they are translated here; everything else is told from what the platform sent.
 */
define(["app/lib/words"], function (words) {
    "use strict";

    const parse = function (text) {
        try {
            return JSON.parse(text) || {};
        } catch (notJSON) {
            return {};
        }
    };

    const params = function (t, failure) {
        const filled = Object.assign({}, failure.params);
        if (filled.api) {
            filled.api = words.api(t, filled.api);
        }
        return filled;
    };

    return {
        /* read takes the error of a call apart. failure is the connector's own, null when it sent none; unreachable
           says that the connector was not reached, temporary that the same call may work later. */
        read: function (error) {
            const answered = error && error.response;
            const response = answered || {};
            const body = parse(response.text);
            const failure = body.details && body.details.text ? body.details : null;
            const status = response.status || 0;
            const broken = Boolean(answered) && (status === 0 || status >= 500);
            // The connector tells its own failures; a broken answer without one comes from somebody before it.
            const unreachable = broken && !failure;
            const temporary = broken || status === 429;
            return { failure: failure, unreachable: unreachable, temporary: temporary, message: body.message || "" };
        },

        /* sentence says what happened, and nothing more. */
        sentence: function (t, failure) {
            return t(failure.text, params(t, failure));
        },

        /* advice says what to do about it. */
        advice: function (t, failure) {
            return failure.adviceText ? t(failure.adviceText, params(t, failure)) : "";
        },

        /* tell says what happened, what to do, and under which reference the log tells more: whole sentences. */
        tell: function (t, failure) {
            const told = [this.sentence(t, failure), this.advice(t, failure)];
            if (failure.reference) {
                told.push(t("Reference: __reference__.", { reference: failure.reference }));
            }
            return told.filter(Boolean).join(" ");
        },

        /* tellError does the same for the error of a call. */
        tellError: function (t, error) {
            const read = this.read(error);
            if (read.failure) {
                return this.tell(t, read.failure);
            }
            if (read.unreachable) {
                return t("The connector cannot be reached at the moment. Try again in some minutes.");
            }
            if (read.message) {
                return t("The platform refused the request: __message__", { message: read.message });
            }
            return t("The request could not be completed. Reload the page and try again.");
        }
    };
});
