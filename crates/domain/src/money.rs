//! Money that is invoiced, and the exact units that costs are kept in.
