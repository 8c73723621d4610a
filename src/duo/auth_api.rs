//! Auth API v2 messages (B.3).
