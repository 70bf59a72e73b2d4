//! Volumes: disks that stand on one physical host.

/// What Fly calls the state of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeState {
    /// It is there.
    Created,
    /// It is being removed.
    PendingDestroy,
}

impl VolumeState {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            VolumeState::Created => "created",
            VolumeState::PendingDestroy => "pending_destroy",
        }
    }
}

/// A copy of a volume.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// `vs_…`.
    pub id: String,
    /// In milliseconds since 1970.
    pub created_at: i64,
}

/// A volume.
#[derive(Clone, Debug)]
pub struct Volume {
    /// `vol_…`.
    pub id: String,
    /// As its creator calls it; others may be called the same.
    pub name: String,
    /// Name of its app.
    pub app: String,
    /// Code of its region.
    pub region: String,
    /// Name of the physical host.
    pub hardware: String,
    /// In gigabytes.
    pub size_gb: u64,
    /// What Fly calls its state.
    pub state: VolumeState,
    /// Id of the machine that mounts it.
    pub attached: Option<String>,
    /// Whether what it holds is encrypted.
    pub encrypted: bool,
    /// Days that its snapshots are kept.
    pub snapshot_retention: u64,
    /// Whether it is copied every day.
    pub auto_backup: bool,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub updated_at: i64,
    /// Its copies, oldest first.
    pub snapshots: Vec<Snapshot>,
}
