/*
 * The panel's module loader: the part of AMD that screens of packages use. This script defines the modules of the runtime
 * by name; modules of a package are files. How a dependency is resolved (docs/reference/aps-ui.md §2.1):
 *
 *   "app/x/y"   in the package, from the configured location of "app"
 *   "x/y.js"    a file, against the page
 *   "./x"       a module, against the folder of the requiring module
 *   "a!b"       plugin a, which loads b
 */
(function () {
    "use strict";

    const config = window.dojoConfig || {};
    const packages = config.packages || [];
    const modules = new Map(); // id → {id, url, dependencies, factory, ready: Promise}
    let anonymous = null; // the module that the last script defined without a name

    const isFile = (name) => /\.js$/.test(name);
    const isAddress = (id) => id.startsWith("/") || /^https?:/.test(id);

    const normalize = (segments) => segments.reduce((kept, segment) => {
        if (segment === "..") {
            kept.pop();
        } else if (segment !== ".") {
            kept.push(segment);
        }
        return kept;
    }, []).join("/");

    /* resolve returns the id of the module that from requires by name. */
    function resolve(name, from) {
        if (isFile(name)) {
            return new URL(name, document.baseURI).pathname;
        }
        if (!name.startsWith(".")) {
            return name;
        }
        const folder = (from || "").split("/").slice(0, -1);
        return normalize(folder.concat(name.split("/")));
    }

    function address(id) {
        if (isAddress(id)) {
            return isFile(id) ? id : id + ".js";
        }
        const owner = packages.find((p) => id === p.name || id.startsWith(p.name + "/"));
        return owner ? owner.location + id.slice(owner.name.length) + ".js" : null;
    }

    function fetchScript(id) {
        const url = address(id);
        if (!url) {
            return Promise.reject(new Error("There is no module " + id + " in this panel."));
        }
        return new Promise((resolveScript, reject) => {
            const script = document.createElement("script");
            script.src = url;
            script.onload = () => {
                const defined = anonymous;
                anonymous = null;
                resolveScript(defined || { dependencies: [], factory: () => undefined });
            };
            script.onerror = () => reject(new Error("The module " + id + " could not be loaded from " + url + "."));
            document.head.appendChild(script);
        });
    }

    function instantiate(module, dependencies, factory) {
        if (typeof factory !== "function") {
            return Promise.resolve(factory);
        }
        const exports = {};
        const holder = { id: module.id, exports };
        const special = {
            require: (names, done) => (typeof names === "string" ? modules.get(resolve(names, module.id)).value : requireAll(names, module.id).then((values) => done(...values), report)),
            exports,
            module: holder
        };
        return Promise.all(dependencies.map((name) => special[name] || requireOne(name, module.id)))
            .then((values) => {
                const returned = factory(...values);
                module.value = returned === undefined ? holder.exports : returned;
                return module.value;
            });
    }

    function load(id) {
        let module = modules.get(id);
        if (!module) {
            module = { id };
            modules.set(id, module);
            module.ready = fetchScript(id).then((defined) => instantiate(module, defined.dependencies, defined.factory));
        } else if (!module.ready) {
            module.ready = instantiate(module, module.dependencies, module.factory);
        }
        return module.ready;
    }

    function requireOne(name, from) {
        const mark = name.indexOf("!");
        if (mark < 0) {
            return load(resolve(name, from));
        }
        return load(resolve(name.slice(0, mark), from)).then((plugin) => new Promise((done, fail) => {
            plugin.load(name.slice(mark + 1), (resource) => address(resolve(resource, from)) || resource, done, fail);
        }));
    }

    const requireAll = (names, from) => Promise.all(names.map((name) => requireOne(name, from)));

    function report(error) {
        console.error(error);
        const line = document.createElement("p");
        line.setAttribute("role", "alert");
        line.className = "aps-broken";
        line.textContent = error.message;
        document.body.appendChild(line);
        if (window.aps) {
            window.aps.apsc.hideLoading();
        }
    }

    window.define = function (...given) {
        const factory = given.pop();
        const dependencies = Array.isArray(given[given.length - 1]) ? given.pop() : [];
        const id = given.pop();
        if (id) {
            modules.set(id, { id, dependencies, factory });
        } else {
            anonymous = { dependencies, factory };
        }
    };
    window.define.amd = {};

    window.require = function (names, done) {
        requireAll(names, "").then((values) => done && done(...values)).catch(report);
    };
    window.require.modules = () => Array.from(modules.keys());
}());

/* Adds the panel's style sheet to the page. */
(function () {
    "use strict";
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = "/aps/2/ui/runtime/client/aps/aps.css";
    document.head.appendChild(style);
}());
