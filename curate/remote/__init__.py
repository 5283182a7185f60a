"""Files at URLs: object stores and web servers, through fsspec."""

from __future__ import annotations

from curate.remote import ahead, paths

RemotePath = paths.RemotePath
as_path = paths.as_path
is_url = paths.is_url
real_path = paths.real_path
scandir = paths.scandir
begin_reading = ahead.begin
take_reading = ahead.take
