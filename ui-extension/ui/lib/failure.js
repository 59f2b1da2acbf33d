/*
 * Turns an error into a message. The connector sends its failures as templates with __named__ placeholders and their
 * values, and this module translates them; all other messages are derived from the platform's answer.
 */
define(["app/lib/words"], function (words) {
    "use strict";

    // Failures after which the connector retries automatically.
    const retried = ["microsoft_unavailable", "microsoft_throttled", "microsoft_answer"];

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
        if (filled.role) {
            filled.role = words.role(t, filled.role);
        }
        return filled;
    };

    return {
        /* read extracts the parts of a call's error. failure is the connector's, or null if it sent none; unreachable says
           that the connector was not reached, and temporary that the same call may succeed later; reference is the
           platform's, if there is one, because its log has the call even when the connector's does not. */
        read: function (error) {
            const answered = error && error.response;
            const response = answered || {};
            const body = parse(response.text);
            const failure = body.details && body.details.text ? body.details : null;
            const status = response.status || 0;
            const broken = Boolean(answered) && (status === 0 || status >= 500);
            // The connector explains its own failures; an answer without one comes from a proxy or the platform.
            const unreachable = broken && !failure;
            const temporary = broken || status === 429;
            const reference = response.getHeader ? response.getHeader("APS-Transaction-ID") || "" : "";
            return { failure: failure, unreachable: unreachable, temporary: temporary, message: body.message || "", reference: reference };
        },

        /* sentence returns what happened. */
        sentence: function (t, failure) {
            return t(failure.text, params(t, failure));
        },

        /* advice returns what to do about it. */
        advice: function (t, failure) {
            return failure.adviceText ? t(failure.adviceText, params(t, failure)) : "";
        },

        /* withReference appends the reference in the log to a text of whole sentences. */
        withReference: function (t, text, reference) {
            return reference ? [text, t("Reference: __reference__.", { reference: reference })].filter(Boolean).join(" ") : text;
        },

        /* withEvidence appends what others need to look a failure up: Microsoft's code, and the reference. */
        withEvidence: function (t, text, failure) {
            const code = failure.microsoft && failure.microsoft.code;
            const shown = code ? [text, t("Microsoft's code: __code__.", { code: code })].filter(Boolean).join(" ") : text;
            return this.withReference(t, shown, failure.reference);
        },

        /* whatToDo returns the advice with Microsoft's code and the reference. */
        whatToDo: function (t, failure) {
            return this.withEvidence(t, this.advice(t, failure), failure);
        },

        /* messageOf returns what happened, what to do, Microsoft's code, and the reference in the log, in whole sentences. */
        messageOf: function (t, failure) {
            return [this.sentence(t, failure), this.whatToDo(t, failure)].filter(Boolean).join(" ");
        },

        /* consentMessage is messageOf for a failed consent, which, unlike a renewal, is not retried automatically. */
        consentMessage: function (t, failure) {
            if (retried.indexOf(failure.code) < 0) {
                return this.messageOf(t, failure);
            }
            const message = [this.sentence(t, failure), t("Nothing was changed. Start again in a few minutes.")].join(" ");
            return this.withEvidence(t, message, failure);
        },

        /* errorMessage is messageOf for the error of a call, and consentErrorMessage is consentMessage for it. */
        errorMessage: function (t, error) {
            const read = this.read(error);
            return read.failure ? this.messageOf(t, read.failure) : this.unexplainedMessage(t, read);
        },
        consentErrorMessage: function (t, error) {
            const read = this.read(error);
            return read.failure ? this.consentMessage(t, read.failure) : this.unexplainedMessage(t, read);
        },

        /* usual returns the errors that Microsoft's own page shows most often, which no program hears of: [what it says, what to
           do]. */
        usual: function (t) {
            return [
                [t("AADSTS50011: the redirect URI doesn't match"), t("Whoever manages the app registration has to add this service's redirect URI to it, with the type Web and exactly as documented.")],
                [t("AADSTS700016: the application wasn't found"), t("Sign in with an account of the partner directory. If you did, check the application (client) ID in the settings.")],
                [t("AADSTS90094: an administrator must approve"), t("The account isn't a Global admin. Sign in with one that is.")],
                [t("AADSTS53003: blocked by Conditional Access"), t("Use a device and a network that the directory's policies allow, or ask an administrator of the directory to adjust the policy.")]
            ];
        },

        /* unexplainedMessage describes an error that the connector did not explain. */
        unexplainedMessage: function (t, read) {
            if (read.unreachable) {
                return this.withReference(t, t("The connector can't be reached at the moment. Try again in a few minutes."), read.reference);
            }
            if (read.message) {
                return this.withReference(t, t("The platform refused the request: __message__", { message: read.message }), read.reference);
            }
            return this.withReference(t, t("The request couldn't be completed. Reload the page and try again."), read.reference);
        }
    };
});
