// What `make lint` checks in the scripts of the screens and of the sandbox: mistakes that a browser finds only when it gets there.
const globals = require("globals");

module.exports = [{
    files: ["**/*.js"],
    languageOptions: {
        ecmaVersion: 2022,
        sourceType: "script",
        // aps, define, require and the translation function _ come from the platform's runtime (docs/reference/aps-ui.md §2).
        globals: { ...globals.browser, aps: "readonly", define: "readonly", require: "readonly", _: "readonly" }
    },
    rules: {
        "no-undef": "error",
        "no-unused-vars": ["error", { args: "none", caughtErrors: "none" }],
        "no-redeclare": "error",
        "no-dupe-keys": "error",
        "no-unreachable": "error"
    }
}];
