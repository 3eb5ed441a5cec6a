"""The tables of a journal."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

METADATA = MetaData()

# One row per call; `ended_at` is null while it runs, and stays null if the daemon was killed.
CALLS = Table(
    "dfd_calls",
    METADATA,
    Column("call", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("stream_id", String(256), nullable=False, index=True),
    Column("started_at", DateTime(timezone=True), nullable=False, index=True),
    Column("ended_at", DateTime(timezone=True)),
    Column("end", String(32)),
    Column("reason", String(64)),
    Column("audio_seconds", Float),
    Column("peer", String(256)),
    Column("token", String(256)),
    Column("labels", JSON),
    Column("model", String(256)),
    Column("model_version", String(256)),
    Column("weights_sha256", String(64)),
)

# How a call was judged: the contract's `StreamStarted` as JSON, without the labels.
STARTED = Table(
    "dfd_started",
    METADATA,
    Column("call", String(32), primary_key=True),
    Column("started", JSON, nullable=False),
)

ALERTS = Table(
    "dfd_alerts",
    METADATA,
    Column("alert", String(32), primary_key=True),
    Column("call", String(32), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("channel", Integer, nullable=False),
    Column("trigger", String(16), nullable=False),  # of a watermark "mark:" and its scheme
    Column("cleared", Boolean, nullable=False),
    Column("offset_seconds", Float, nullable=False),
    Column("spoof_probability", Float, nullable=False),
    Column("spoof_llr", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("clip", String(1024)),
)

# The audio around an alert, as it was written; `clip` is its path.
CLIPS = Table(
    "dfd_clips",
    METADATA,
    Column("clip", String(1024), primary_key=True),
    Column("written_at", DateTime(timezone=True), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("sha256", String(64), nullable=False),
)

# Scores over time, for one in `every` windows: [end in seconds, window, rolling, cumulative].
SCORES = Table(
    "dfd_scores",
    METADATA,
    Column("call", String(32), primary_key=True),
    Column("channel", Integer, primary_key=True),
    Column("every", Integer, nullable=False),
    Column("points", JSON, nullable=False),
)

SUMMARIES = Table(
    "dfd_summaries",
    METADATA,
    Column("call", String(32), primary_key=True),
    Column("channel", Integer, primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("spoof_probability", Float),
    Column("spoof_llr", Float),
    Column("peak_probability", Float),
    Column("mean_probability", Float),
    Column("audio_seconds", Float, nullable=False),
    Column("speech_seconds", Float, nullable=False),
    Column("gap_seconds", Float, nullable=False),
    Column("first_alert_seconds", Float),
    Column("windows_scored", Integer, nullable=False),
    Column("windows_shed", Integer, nullable=False),
    Column("windows_insufficient_speech", Integer, nullable=False),
    Column("windows_failed", Integer, nullable=False),
    Index("ix_dfd_summaries_verdict", "verdict"),
)
