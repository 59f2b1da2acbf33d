/* Creates widgets from [type, properties, children], or from a list of those, in a node. */
define(["require", "dojo/Deferred", "dojo/dom"], function (contextRequire, Deferred, dom) {
    var isWidget = function (tree) { return Array.isArray(tree) && typeof tree[0] === "string"; };
    var list = function (trees) { return isWidget(trees) ? [trees] : trees || []; };
    var childrenOf = function (tree) { return tree.slice(1).filter(Array.isArray)[0]; };
    var propertiesOf = function (tree) {
        return tree.slice(1).filter(function (part) { return part && !Array.isArray(part); })[0];
    };
    var typesOf = function (trees) {
        return list(trees).reduce(function (found, tree) {
            return found.concat(isWidget(tree) ? [tree[0]].concat(typesOf(childrenOf(tree))) : typesOf(tree));
        }, []);
    };
    var make = function (tree) {
        var widget = new (contextRequire(tree[0]))(propertiesOf(tree));
        list(childrenOf(tree)).forEach(function (child) { widget.addChild(make(child)); });
        return widget;
    };

    return function (tree, place) {
        var deferred = new Deferred();
        contextRequire(typesOf(tree), function () {
            var widgets = list(tree).map(make);
            widgets.forEach(function (widget) {
                widget.placeAt(dom.byId(place) || document.body);
                widget.startup();
            });
            deferred.resolve(isWidget(tree) ? widgets[0] : widgets);
        });
        return deferred.promise;
    };
});
