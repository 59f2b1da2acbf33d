/* The plugin after which context and texts are there. */
define(["./_frame"], function (frame) {
    return {
        load: function (name, requireOf, done) {
            frame.attach().then(done, function (error) { console.error(error); });
        }
    };
});
