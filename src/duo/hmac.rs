//! Request signing of the Auth and Admin APIs: v1, v2, v4, v5 (B.1).
