//! Names of types as the client library of dbt's adapter calls them.
//!
//! dbt compares the columns of a contract by these names, so that `smallint` fits `integer` and
//! `varchar` fits `text`, and shows them where a contract fails.

/// The name dbt shows for a type; types its client library does not know are numbered.
pub fn client_type_name(oid: u32) -> String {
    let name = match oid {
        21 | 23 => "INTEGER",
        20 => "LONGINTEGER",
        700 | 701 => "FLOAT",
        1700 => "DECIMAL",
        18 | 19 | 25 | 1042 | 1043 => "TEXT",
        16 => "BOOLEAN",
        1114 => "DATETIME",
        1184 => "DATETIMETZ",
        1083 | 1266 => "TIME",
        1082 => "DATE",
        704 | 1186 => "INTERVAL",
        17 => "BINARY",
        26 => "ROWID",
        114 => "JSON",
        3802 => "JSONB",
        705 => "UNKNOWN",
        1005..=1007 => "INTEGERARRAY",
        1016 => "LONGINTEGERARRAY",
        1021 | 1022 => "FLOATARRAY",
        1231 => "DECIMALARRAY",
        1002 | 1003 | 1009 | 1014 | 1015 => "STRINGARRAY",
        1000 => "BOOLEANARRAY",
        1115 => "DATETIMEARRAY",
        1185 => "DATETIMETZARRAY",
        1183 | 1270 => "TIMEARRAY",
        1182 => "DATEARRAY",
        1187 => "INTERVALARRAY",
        1001 => "BINARYARRAY",
        1013 | 1028 => "ROWIDARRAY",
        199 => "JSONARRAY",
        3807 => "JSONBARRAY",
        1041 => "INETARRAY",
        651 => "CIDRARRAY",
        1040 => "MACADDRARRAY",
        3912 => "daterange",
        3913 => "daterangeARRAY",
        3908 => "tsrange",
        3909 => "tsrangeARRAY",
        3910 => "tstzrange",
        3911 => "tstzrangeARRAY",
        3904 | 3906 | 3926 => "type",
        3905 | 3907 | 3927 => "typeARRAY",
        _ => return format!("unknown type_code {oid}"),
    };
    name.to_owned()
}
