"""A value that the database cannot hold is told from a database that is away."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pymysql
import pytest
from oslo_db import exception as db_exception
from sqlalchemy.exc import DataError, DBAPIError

from vmha.adapters.db.connection import open_database, transaction
from vmha.errors import Unstorable


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            pymysql.err.DataError(1406, "Data too long for column 'description' at row 1"),
            "the value of description is too long",
        ),
        (
            pymysql.err.OperationalError(1366, "Incorrect string value: for column `v`.`hosts`.`name` at row 1"),
            "the value of name has characters that this column cannot hold",
        ),
        (pymysql.err.DataError(1366, "Incorrect string value"), "a value has characters"),
        (db_exception.DBDataError(), "a value is too long, or has characters"),
        (sqlite3.DataError("string or blob too big"), "a value is too long, or has characters"),
    ],
)
def test_it_names_the_column(error: Exception, words: str, tmp_path: Path) -> None:
    """The sentence says which column and what is wrong, so far as the driver does, and quotes nothing of the value."""
    engine = open_database(f"sqlite:///{tmp_path}/vmha.sqlite")
    known = DataError if isinstance(error, sqlite3.DataError) else DBAPIError
    raised = error if isinstance(error, db_exception.DBError) else known("INSERT", {}, error)
    with pytest.raises(Unstorable, match=words), transaction(engine):
        raise raised
    engine.dispose()
