//! What `wit-bindgen` makes of the contract. Each role is generated apart, so that a component exports what it was
//! registered as and nothing else; the imports are generated once, and those that nobody calls are left out of the
//! component when it is encoded.
#![allow(missing_docs, clippy::all, unused_qualifications)]

/// Every capability, the types, and the export of `widget`.
pub mod widget {
    wit_bindgen::generate!({
        path: "../wit",
        world: "widget-plugin",
        pub_export_macro: true,
        export_macro_name: "export_widget",
        default_bindings_module: "neospace_plugin::bindings::widget",
    });
}

/// The export of `actions`, which joins that of `widget`.
pub mod actions {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package neospace:sdk;
            world actions-part {
                export neospace:plugin/actions@0.1.0;
            }
        ",
        world: "neospace:sdk/actions-part",
        with: { "neospace:plugin/types@0.1.0": crate::bindings::widget::neospace::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_actions",
        default_bindings_module: "neospace_plugin::bindings::actions",
    });
}

/// The export of `sticker`.
pub mod sticker {
    wit_bindgen::generate!({
        path: "../wit",
        world: "sticker-plugin",
        with: {
            "neospace:plugin/types@0.1.0": crate::bindings::widget::neospace::plugin::types,
            "neospace:plugin/log@0.1.0": crate::bindings::widget::neospace::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "export_sticker",
        default_bindings_module: "neospace_plugin::bindings::sticker",
    });
}

/// The export of `commands`.
pub mod commands {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package neospace:sdk;
            world commands-part {
                export neospace:plugin/commands@0.1.0;
            }
        ",
        world: "neospace:sdk/commands-part",
        with: { "neospace:plugin/types@0.1.0": crate::bindings::widget::neospace::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_commands",
        default_bindings_module: "neospace_plugin::bindings::commands",
    });
}

/// The export of `filter`.
pub mod filter {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package neospace:sdk;
            world filter-part {
                export neospace:plugin/filter@0.1.0;
            }
        ",
        world: "neospace:sdk/filter-part",
        with: { "neospace:plugin/types@0.1.0": crate::bindings::widget::neospace::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_filter",
        default_bindings_module: "neospace_plugin::bindings::filter",
    });
}
