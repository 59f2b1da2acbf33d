/* The parts of Dojo that screens use: classes, promises and texts. */
define("dojo/Deferred", [], function () {
    "use strict";

    class DojoPromise extends Promise {
        otherwise(failed) { return this.then(null, failed); }
        always(ended) { return this.then(ended, ended); }
    }

    return class Deferred {
        constructor() {
            this.promise = new DojoPromise((resolve, reject) => {
                this.resolve = resolve;
                this.reject = reject;
            });
        }
        then(done, failed) { return this.promise.then(done, failed); }
        otherwise(failed) { return this.promise.otherwise(failed); }
        always(ended) { return this.promise.always(ended); }
    };
});

define("dojo/when", ["dojo/Deferred"], function (Deferred) {
    "use strict";
    return function (value, done, failed) {
        const deferred = new Deferred();
        deferred.resolve(value);
        return done || failed ? deferred.promise.then(done, failed) : deferred.promise;
    };
});

define("dojo/promise/all", ["dojo/when"], function (when) {
    "use strict";
    return function (promises) {
        if (Array.isArray(promises)) {
            return when(Promise.all(promises));
        }
        const names = Object.keys(promises);
        return when(Promise.all(names.map((name) => promises[name])).then((values) => Object.fromEntries(names.map((name, i) => [name, values[i]]))));
    };
});

/* It supports at most one base class, with mixins before it; a "constructor" property runs after that of the base class. */
define("dojo/_base/declare", [], function () {
    "use strict";
    return function (bases, properties) {
        const all = [].concat(bases || []);
        const Base = all.shift() || Object;
        const own = Object.assign({}, properties);
        const construct = Object.prototype.hasOwnProperty.call(own, "constructor") ? own.constructor : null;
        delete own.constructor;
        const Declared = class extends Base {
            constructor(...given) {
                super(...given);
                if (construct) {
                    construct.apply(this, given);
                }
            }
        };
        all.forEach((mixin) => Object.assign(Declared.prototype, mixin.prototype));
        Object.assign(Declared.prototype, own);
        return Declared;
    };
});

define("dojo/text", [], function () {
    "use strict";
    return {
        load: function (name, toURL, done, fail) {
            fetch(toURL(name)).then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(name + ": " + answer.status)))).then(done, fail);
        }
    };
});

define("dijit/registry", [], function () {
    "use strict";
    const widgets = new Map();
    return {
        byId: (id) => widgets.get(id),
        add: function (widget) {
            if (widgets.has(widget.id)) {
                throw new Error("There are two widgets with the id " + widget.id + ".");
            }
            widgets.set(widget.id, widget);
        },
        remove: (id) => widgets.delete(id)
    };
});
