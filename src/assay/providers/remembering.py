"""How a finished call is never paid twice: its answer is committed as it comes, for the step that asked."""

import hashlib
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from assay import db, jsontext
from assay.providers import store
from assay.providers.model import Answer, Model, Question

_ANSWERS = TypeAdapter(Answer)


@dataclass(frozen=True, slots=True)
class RememberingModel:
    """A model as one step of one run asks it: the same question has the same answer, also after a crash."""

    model: Model
    database: db.Database
    organization_id: str
    run_id: str
    step_key: str

    @property
    def provider(self) -> str:
        """Name of the provider."""
        return self.model.provider

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def context_tokens(self) -> int:
        """How many tokens of question and answer fit."""
        return self.model.context_tokens

    async def ask(self, question: Question) -> Answer:
        """Return the answer that was paid for, else ask and keep the answer before returning it.

        Raises:
            ProviderError: there is no answer.
        """
        asked = store.Asked(self.organization_id, self.run_id, self.step_key, _fingerprint(self.model, question))
        kept = await self.database.when_available(lambda tx: store.find_answer(tx, asked))
        if kept is not None:
            return _ANSWERS.validate_json(kept)
        answer = await self.model.ask(question)
        text = jsontext.dump(asdict(answer))
        await self.database.when_available(lambda tx: store.keep_answer(tx, asked, text))
        return answer


def _fingerprint(model: Model, question: Question) -> bytes:
    pictures = [hashlib.sha256(picture.content).hexdigest() for said in question.messages for picture in said.pictures]
    words = [{**asdict(said), "pictures": len(said.pictures)} for said in question.messages]
    tools = [asdict(tool) for tool in question.tools]
    asked = [model.provider, model.name, words, pictures, question.schema, question.strict, tools]
    return hashlib.sha256(jsontext.write(asked).encode()).digest()
