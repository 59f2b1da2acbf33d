/* Calls of the platform's API. Each carries the token of the session, which pages of other sites do not know. */
define("aps/xhr", ["dojo/Deferred", "aps/_frame"], function (Deferred, frame) {
    "use strict";

    function failed(message, request, url) {
        const error = new Error(message);
        error.response = { url, status: request.status, text: request.responseText, xhr: request, getHeader: (name) => request.getResponseHeader(name) };
        return error;
    }

    function read(form, request) {
        switch (form) {
        case "json": return JSON.parse(request.responseText || "null");
        case "xml": return request.responseXML;
        }
        return request.responseText;
    }

    function xhr(url, options) {
        const given = Object.assign({ method: "GET", handleAs: "json" }, options);
        const deferred = new Deferred();
        const request = new XMLHttpRequest();
        request.open(given.method, url);
        request.timeout = given.timeout || 0;
        Object.entries(given.headers || {}).forEach(([name, value]) => request.setRequestHeader(name, value));
        request.setRequestHeader("APS-Token", frame.token());
        request.setRequestHeader("APS-Locale", frame.locale());
        request.onload = () => {
            if (request.status < 200 || request.status >= 300) {
                deferred.reject(failed("Unable to load " + url + " status: " + request.status, request, url));
                return;
            }
            try {
                deferred.resolve(read(given.handleAs, request));
            } catch (notJSON) {
                deferred.reject(notJSON);
            }
        };
        request.onerror = () => deferred.reject(failed("Unable to load " + url, request, url));
        request.ontimeout = () => deferred.reject(failed("Timeout exceeded", request, url));
        request.send(given.data);
        return deferred.promise;
    }
    const method = (name) => (url, options) => xhr(url, Object.assign({}, options, { method: name }));
    return Object.assign(xhr, { get: method("GET"), post: method("POST"), put: method("PUT"), del: method("DELETE") });
});

/* Asks for confirmation before a destructive action; the promise resolves to true or false. */
define("aps/confirm", ["dojo/Deferred", "aps/_Widget"], function (Deferred, Widget) {
    "use strict";
    const { element } = Widget;
    return function (options) {
        const deferred = new Deferred();
        const cancel = element("button", "aps-button", options.cancelLabel || _("Cancel"));
        const submit = element("button", "aps-button aps-button-danger", options.submitLabel || _("OK"));
        const title = element("h2", "aps-title", options.title);
        const text = element("p", "", options.description);
        const dialog = element("dialog", "aps-confirm", title, text, element("div", "aps-tile-buttons", cancel, submit));
        title.id = "aps_confirm_title";
        text.id = "aps_confirm_text";
        dialog.setAttribute("aria-labelledby", title.id);
        dialog.setAttribute("aria-describedby", text.id);
        cancel.addEventListener("click", () => dialog.close());
        submit.addEventListener("click", () => dialog.close("yes"));
        dialog.addEventListener("close", () => {
            dialog.remove();
            deferred.resolve(dialog.returnValue === "yes");
        });
        document.body.appendChild(dialog);
        dialog.showModal();
        return deferred.promise;
    };
});
