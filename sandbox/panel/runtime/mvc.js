/* The part of Dojo's model and view that screens of the platform use: objects that tell of changes, and properties of widgets that
   follow them. */
define("dojo/Stateful", [], function () {
    "use strict";
    return class Stateful {
        constructor(values) {
            Object.defineProperty(this, "_watchers", { value: [] });
            Object.assign(this, values);
        }
        get(name) { return this[name]; }
        set(name, value) {
            if (typeof name === "object") {
                Object.keys(name).forEach((key) => this.set(key, name[key]));
                return this;
            }
            const before = this[name];
            this[name] = value;
            if (before !== value) {
                this._watchers.filter((one) => one.name === null || one.name === name).forEach((one) => one.changed.call(this, name, before, value));
            }
            return this;
        }
        watch(...given) {
            const one = { changed: given.pop(), name: given.length ? given[0] : null };
            this._watchers.push(one);
            const remove = () => this._watchers.splice(this._watchers.indexOf(one), 1);
            return { remove, unwatch: remove };
        }
    };
});

define("dojox/mvc/getStateful", ["dojo/Stateful"], function (Stateful) {
    "use strict";
    const isPlain = (value) => Object.prototype.toString.call(value) === "[object Object]" && !(value instanceof Stateful);
    return function getStateful(value) {
        if (Array.isArray(value)) {
            return value.map(getStateful);
        }
        return isPlain(value) ? new Stateful(Object.fromEntries(Object.entries(value).map(([name, part]) => [name, getStateful(part)]))) : value;
    };
});

/* at says that a property of a widget follows a property of a model, in both directions. */
define("dojox/mvc/at", [], function () {
    "use strict";
    return (target, property) => ({ atsignature: "dojox.mvc.at", target, targetProp: property });
});
