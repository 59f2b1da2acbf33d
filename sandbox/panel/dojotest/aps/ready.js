/* The plugin that waits for context and texts. */
define(["./_frame"], function (frame) {
    return {
        load: function (name, requireOf, done) {
            frame.attach().then(done, function (error) { console.error(error); });
        }
    };
});
