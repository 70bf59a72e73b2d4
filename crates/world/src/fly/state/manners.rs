//! How the model behaves where Fly's documentation leaves a choice, and how long things take.

/// In which shape a lease is answered: the documents differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseShape {
    /// `{"status": "success", "data": {…}}`, as the documentation's examples and Fly's own client have it.
    #[default]
    Wrapped,
    /// The lease itself, as the description of the API has it.
    Flat,
}

/// What a story may set.
#[derive(Clone, Debug)]
pub struct Manners {
    /// In which shape a lease is answered.
    pub leases: LeaseShape,
    /// Whether an answer of 429 says when to come again. No document says.
    pub retry_after: bool,
    /// Whether running out of capacity is said with 422 (what Fly's own client tests) or 503 (what others saw).
    pub capacity_status: u16,
    /// Whether Flycast addresses are of this very box (`::ffff:127.x.y.z`), so that a real program reaches machines by them, as
    /// from the network in which they were assigned. Machines' own addresses never lead anywhere here.
    pub loopback: bool,
    /// How long things take.
    pub delays: Delays,
}

/// How long things take, in milliseconds of the model's clock.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// From created until it is being started.
    pub boot: i64,
    /// From starting until its program runs.
    pub start: i64,
    /// From stopping or suspending until it is done.
    pub stop: i64,
    /// From destroying until it is gone.
    pub destroy: i64,
    /// How long a new configuration takes until it is started.
    pub replace: i64,
    /// From a start until its checks have been made first.
    pub check: i64,
    /// From deleting an app or a volume until it is gone.
    pub delete: i64,
    /// How long the API does not find an app that was just created, unless its creator asked to wait for it.
    pub appear: i64,
    /// How long lists leave a new machine out, although it is found by its id.
    pub list: i64,
    /// How long a machine that does not say `min_secrets_version` gets the secrets from before a change.
    pub secrets: i64,
}

impl Default for Manners {
    /// Quick, for stories.
    fn default() -> Self {
        Manners {
            leases: LeaseShape::default(),
            retry_after: false,
            capacity_status: 422,
            loopback: false,
            delays: Delays {
                boot: 20,
                start: 30,
                stop: 20,
                destroy: 20,
                replace: 20,
                check: 20,
                delete: 20,
                appear: 0,
                list: 0,
                secrets: 0,
            },
        }
    }
}

impl Delays {
    /// About as long as they take at Fly.
    pub fn real() -> Self {
        Delays {
            boot: 800,
            start: 1_200,
            stop: 1_500,
            destroy: 1_500,
            replace: 1_500,
            check: 2_000,
            delete: 5_000,
            appear: 400,
            list: 300,
            secrets: 500,
        }
    }
}
