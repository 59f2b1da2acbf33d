/* Asks for confirmation before a destructive action in Dijit's dialog; the promise resolves to true or false. */
define(["dojo/Deferred", "dojo/dom-construct", "dijit/ConfirmDialog"], function (Deferred, domConstruct, ConfirmDialog) {
    return function (options) {
        var deferred = new Deferred();
        var yes = false;
        var dialog = new ConfirmDialog({
            title: options.title,
            content: domConstruct.create("p", { textContent: options.description })
        });
        dialog.set({ buttonOk: options.submitLabel, buttonCancel: options.cancelLabel }); // Dijit ignores them in the constructor
        dialog.on("execute", function () { yes = true; });
        dialog.on("hide", function () {
            dialog.destroyRecursive();
            deferred.resolve(yes);
        });
        dialog.show();
        return deferred.promise;
    };
});
