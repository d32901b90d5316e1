//! Which call of a provider it is. Start at [`Endpoint`].

/// The calls that are understood.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    ChatCompletions,
    Completions,
    Responses,
    Embeddings,
    /// Speech to text in its own language: a multipart upload.
    Transcriptions,
    /// Speech to English text: a multipart upload.
    Translations,
    /// Text to speech.
    Speech,
    Images,
    /// Anthropic's.
    Messages,
}

/// Whose form a request and its answer have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ApiKind {
    OpenAi,
    Anthropic,
}

impl Endpoint {
    /// In their order, so that an endpoint's number is its place here.
    pub const ALL: [Self; 9] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::Transcriptions,
        Self::Translations,
        Self::Speech,
        Self::Images,
        Self::Messages,
    ];

    /// What follows the base URL, which ends in `/v1`.
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::Speech => "/audio/speech",
            Self::Images => "/images/generations",
            Self::Messages => "/messages",
        }
    }

    pub fn kind(self) -> ApiKind {
        if self == Self::Messages { ApiKind::Anthropic } else { ApiKind::OpenAi }
    }

    /// What a usage event calls this kind of request.
    pub fn request_type(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Completions => "completion",
            Self::Responses => "response",
            Self::Embeddings => "embedding",
            Self::Transcriptions => "transcription",
            Self::Translations => "translation",
            Self::Speech => "speech",
            Self::Images => "image",
            Self::Messages => "message",
        }
    }

    /// Whether requests are multipart uploads rather than JSON.
    pub fn is_multipart(self) -> bool {
        matches!(self, Self::Transcriptions | Self::Translations)
    }

    /// Whether a stream reports usage only when `stream_options.include_usage` asks for it.
    pub(super) fn has_stream_options(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }

    /// The fields that bound the answer's length, the one to add first. Other spellings do not bind the provider, so
    /// they are not believed.
    pub(super) fn max_output_fields(self) -> &'static [&'static str] {
        match self {
            Self::ChatCompletions => &["max_completion_tokens", "max_tokens"],
            Self::Completions | Self::Messages => &["max_tokens"],
            Self::Responses => &["max_output_tokens"],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_endpoint_has_a_path_and_a_name_of_its_own() {
        let paths: BTreeSet<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.path()).collect();
        let names: BTreeSet<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.request_type()).collect();
        assert_eq!((paths.len(), names.len()), (Endpoint::ALL.len(), Endpoint::ALL.len()));
        assert!(paths.iter().all(|path| path.starts_with('/') && !path.ends_with('/')));
        assert!(Endpoint::ALL.iter().enumerate().all(|(index, endpoint)| *endpoint as usize == index));
    }

    #[test]
    fn only_messages_are_anthropics() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.kind() == ApiKind::Anthropic, endpoint == Endpoint::Messages);
        }
    }
}
