"""The reader of the folders of connections."""

from functools import cached_property

from lthctl.artifacts.connection import Connection, Point, places
from lthctl.artifacts.connection_document import ConnectionDocument, End
from lthctl.artifacts.csv_table import table_from
from lthctl.artifacts.folders import Folder, RunFolder
from lthctl.artifacts.names import CONNECTION_JSON, PATH_FILE
from lthctl.errors import RunError


class ConnectionFolder(Folder[ConnectionDocument]):
    """The folder of a connection of two runs."""

    json_name, kind, error = CONNECTION_JSON, "connection", RunError
    document_type = ConnectionDocument

    @cached_property
    def connection(self) -> Connection:
        """The connection.

        Raises:
          RunError: something is missing, truncated, altered or newer, or the path is not the one
            that the document describes.
        """
        document, content = self.document, self.content(PATH_FILE)
        images = {split: barrier.images for split, barrier in document.barriers.items()}
        try:
            connection = Connection(document.request, table_from(content, Point, float), images)
            fits = (
                connection.barriers == document.barriers
                and [point.place for point in connection.points] == places(document.points)
                and (connection.points[0].test_error is not None) == ("test" in images)
            )
        except (TypeError, ValueError) as error:
            raise self.error(
                f"{self.path / PATH_FILE}: {error}; it is damaged or not written by lthctl: make "
                "it again"
            ) from error
        if not fits:
            raise self.error(
                f"{self.path / CONNECTION_JSON}: its barriers are not those of {PATH_FILE}; make "
                "the connection again"
            )
        return connection


def end_of(folder: RunFolder) -> End:
    """What a connection says of a run.

    Raises:
      RunError: its document cannot be read.
    """
    document = folder.document
    return End(
        run=folder.digest,
        training=document.training,
        ticket=document.ticket.name,
        variant=document.variant,
    )
