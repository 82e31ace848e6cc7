//! Parse: each template rendered once, recording what it asks for.
