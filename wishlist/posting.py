"""Comments written to issues: one a wish, found again and edited in place."""

from __future__ import annotations

from crawler.github.answers import Reply as Answered
from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from wishlist.issues import Person, Timeline, parse_comment, parse_comments, parse_person
from wishlist.reply import MARKER, Comment, Reply

PAGE = 100
MOST_PAGES = 20
# Whose comments a token of Actions writes; it may not ask for its own account.
_ACTIONS = "github-actions[bot]"


class Poster:
    """Writes comments as whoever the client's token belongs to."""

    def __init__(self, client: GithubClient) -> None:
        self._client = client
        self._viewer: Person | None = None
        self._is_known = False

    def post(self, reply: Reply) -> Comment:
        """Write the comment, or edit the one that is there; return it.

        One that somebody deleted is not written again.

        Raises:
            GithubError: GitHub refuses, or gives no usable answer.
        """
        base = f"/repos/{reply.wish.repo}/issues"
        known = reply.known.id if reply.known else self._find(f"{base}/{reply.wish.number}")
        body = {"body": reply.body}
        if known is None:
            path = f"{base}/{reply.wish.number}/comments"
            done = self._client.send("POST", path, parse_comment, body=body)
            return Comment(id=_value(reply, done), body=reply.body)
        edited = self._client.send("PATCH", f"{base}/comments/{known}", parse_comment, body=body)
        if edited.status in (404, 410):
            return Comment(id=known, body=reply.body)
        return Comment(id=_value(reply, edited), body=reply.body)

    def _find(self, issue: str) -> int | None:
        """Return our comment on an issue, written by a run that is not remembered."""
        for number in range(1, MOST_PAGES + 1):
            path = f"{issue}/comments?per_page={PAGE}&page={number}"
            page: Timeline | None = self._client.get(path, parse_comments).value
            if page is None:
                return None
            for comment in page.comments:
                if comment.body.startswith(MARKER) and self._is_ours(comment.author):
                    return comment.id
            if page.n_events < PAGE:
                return None
        return None

    def _is_ours(self, author: Person | None) -> bool:
        """Tell whether we wrote it: anybody may write the marker, and is not to be edited."""
        if not self._is_known:
            self._viewer = self._client.get("/user", parse_person).value
            self._is_known = True
        if author is None:
            return False
        if self._viewer is None:
            return author.is_bot and author.login == _ACTIONS
        return author.id == self._viewer.id


def _value(reply: Reply, done: Answered[int]) -> int:
    if done.value is None:
        wish = reply.wish
        raise GithubError(
            f"{wish.repo}#{wish.number}: GitHub takes no comment ({done.status}: {done.message}); "
            "check what the token may write"
        )
    return done.value
