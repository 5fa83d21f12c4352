//! inotify on folders that may not exist yet.
